import { describe, expect, it } from 'vitest'
import { codex } from '../../src/platforms/codex.ts'
import { accountOf, callOf } from './call.ts'

const callTo = (apiUrl: string) =>
  callOf({ account: accountOf({ platform: 'codex', apiUrl }), operation: 'responses' })

describe('the request to a codex account', () => {
  it.each([
    ['https://api.test/v1', 'https://api.test/v1/responses'],
    ['https://api.test/v1/', 'https://api.test/v1/responses'],
    ['https://api.test/v1/responses', 'https://api.test/v1/responses'],
    ['https://api.test/backend-api/codex', 'https://api.test/backend-api/codex/responses'],
  ])('goes from the base %s to %s', async (apiUrl, url) => {
    expect(await codex.buildRequest(callTo(apiUrl))).toMatchObject({ method: 'POST', url })
  })

  it('carries the credential as a bearer token, the query and the renamed model', async () => {
    const { url, headers, body } = await codex.buildRequest({
      ...callTo('https://api.test'),
      credential: 'sk-1',
      search: '?x=1',
      upstreamModel: 'gpt-5',
    })
    expect(url).toBe('https://api.test/responses?x=1')
    expect(headers.get('authorization')).toBe('Bearer sk-1')
    expect(new TextDecoder().decode(body)).toBe('{"model":"gpt-5"}')
  })
})

describe('the trial of a codex account', () => {
  it('asks for as little as the Responses API takes, and stores nothing', () => {
    const { operation, body } = codex.trialRequest('m')
    expect(operation).toBe('responses')
    expect(body).toMatchObject({ model: 'm', max_output_tokens: 16, store: false })
  })

  it('is answered by a response, and by nothing else', () => {
    expect(codex.isTrialAnswer({ object: 'response' })).toBe(true)
    for (const other of [{ type: 'message' }, { object: 'list' }, null, undefined]) {
      expect(codex.isTrialAnswer(other)).toBe(false)
    }
  })
})
