/** The contract of error events: whose fault an error is decides which event it makes. */
import { describe, expect, it } from 'vitest'
import { errorEvent } from '../../src/domain/events.ts'
import { GatewayError } from '../../src/errors.ts'

describe('the event of an error', () => {
  const place = { requestId: 'r', keyId: 'k' }

  it('is a refusal where the gateway is not at fault', () => {
    const answer = new GatewayError('key_disabled', 'This gateway key is disabled')
    expect(errorEvent(answer, place)).toEqual({
      type: 'error_answered',
      ...place,
      code: 'key_disabled',
    })
  })

  it('is a failure with what caused it where the gateway or its store is', () => {
    const cause = new Error('the store is lost')
    const answer = new GatewayError('store_unavailable', 'Try again', { cause })
    const failed = { type: 'failed', ...place, code: 'store_unavailable' }
    expect(errorEvent(answer, place)).toEqual({ ...failed, error: cause })
    const bare = new GatewayError('store_unavailable', 'Try again')
    expect(errorEvent(bare, place)).toEqual({ ...failed, error: bare })
  })
})
