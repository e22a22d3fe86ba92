import { createParser } from 'eventsource-parser'
import { describe, expect, it } from 'vitest'
import { anthropic } from '../../../src/dialects/anthropic/messages.ts'
import { noUsage } from '../../../src/domain/usage.ts'
import { GatewayError } from '../../../src/errors.ts'
import { readFixture } from '../../support/fixtures.ts'

const readStream = (text: string, requestBytes = 400) => {
  const reader = anthropic.createUsageReader(requestBytes)
  const kinds: string[] = []
  const parser = createParser({ onEvent: (message) => kinds.push(reader.event(message)) })
  parser.feed(text)
  return { reader, kinds }
}
const event = (fields: object) => `data: ${JSON.stringify(fields)}\n\n`

describe('the usage of an Anthropic stream', () => {
  it('adds up start and delta, with both lifetimes of the cache', () => {
    const { reader } = readStream(readFixture('anthropic-text.sse').toString())
    expect(reader.state()).toBe('complete')
    expect(reader.total()).toEqual({
      estimated: false,
      usage: {
        ...noUsage,
        inputTokens: 12,
        outputTokens: 7,
        cacheWrite5mTokens: 100,
        cacheWrite1hTokens: 200,
        cacheReadTokens: 1000,
        webSearchRequests: 0,
      },
      factors: {
        servedModel: 'claude-sonnet-4-5-20250929',
        serviceTier: 'standard',
        inferenceGeo: 'not_available',
      },
    })
  })

  it('keeps the start values when the delta names only the output', () => {
    const { reader } = readStream(readFixture('anthropic-delta-output-only.sse').toString())
    expect(reader.total()).toMatchObject({ estimated: false, usage: { inputTokens: 12 } })
  })

  it('counts a write without a lifetime as five minutes', () => {
    const { reader } = readStream(
      event({
        type: 'message_start',
        message: { usage: { input_tokens: 1, output_tokens: 1, cache_creation_input_tokens: 9 } },
      }),
    )
    expect(reader.total().usage).toMatchObject({ cacheWrite5mTokens: 9, cacheWrite1hTokens: 0 })
  })

  it('estimates a stream that reports nothing, and says so', () => {
    const { reader } = readStream(readFixture('anthropic-usage-none.sse').toString(), 400)
    expect(reader.state()).toBe('complete')
    const { estimated, usage } = reader.total()
    expect(estimated).toBe(true)
    expect(usage.inputTokens).toBe(100)
    expect(usage.outputTokens).toBeGreaterThan(0)
  })

  it('estimates the output of a stream that was cut, from what was seen of it', () => {
    const start = { input_tokens: 5, output_tokens: 1 }
    const type = 'content_block_delta'
    const text = { type, index: 0, delta: { type: 'text_delta', text: 'x'.repeat(120) } }
    const { reader } = readStream(
      event({ type: 'message_start', message: { usage: start } }) +
        `event: ${type}\n${event(text)}: a comment\n\n`,
    )
    expect(reader.state()).toBe('open')
    expect(reader.total()).toMatchObject({
      estimated: true,
      usage: { inputTokens: 5, outputTokens: 30 },
    })
  })

  it('ignores events that are not JSON, and counts that are not numbers', () => {
    const { reader, kinds } = readStream(
      'data: nonsense\n\n' +
        event({ type: 'message_delta', usage: { input_tokens: 'x', output_tokens: 3 }, delta: 7 }),
    )
    expect(kinds).toEqual(['preamble', 'content'])
    expect(reader.total().usage).toMatchObject({ outputTokens: 3 })
  })

  it('distinguishes preamble, content and error', () => {
    const of = (name: string) => readStream(readFixture(name).toString()).kinds
    expect(of('anthropic-error-first.sse')).toEqual(['error'])
    expect(of('anthropic-text.sse').slice(0, 3)).toEqual(['preamble', 'content', 'preamble'])
    expect(of('anthropic-error-midstream.sse').at(-1)).toBe('error')
    for (const type of ['invented_later', 'constructor', '__proto__']) {
      expect(readStream(event({ type })).kinds).toEqual(['preamble'])
    }
  })
})

describe('the usage of an Anthropic JSON answer', () => {
  it('is read from the message', () => {
    const reader = anthropic.createUsageReader(0)
    const usage = { input_tokens: 3, output_tokens: 4, server_tool_use: { web_search_requests: 2 } }
    expect(reader.answer({ type: 'message', usage })).toBe(true)
    expect(reader.total()).toMatchObject({
      estimated: false,
      usage: { inputTokens: 3, outputTokens: 4, webSearchRequests: 2 },
    })
  })

  it.each([undefined, null, 'text', 7, [], { type: 'error' }])('%j is no answer', (body) => {
    expect(anthropic.createUsageReader(0).answer(body)).toBe(false)
  })
})

describe('an error in the Anthropic envelope', () => {
  const rows = [
    ['invalid_json', 400, 'invalid_request_error', null],
    ['duplicate_field', 400, 'invalid_request_error', null],
    ['invalid_api_key', 401, 'authentication_error', 'false'],
    ['key_disabled', 401, 'authentication_error', 'false'],
    ['key_expired', 401, 'authentication_error', 'false'],
    ['not_permitted', 403, 'permission_error', 'false'],
    ['model_not_permitted', 403, 'permission_error', 'false'],
    ['not_found', 404, 'not_found_error', null],
    ['body_too_large', 413, 'request_too_large', null],
    ['unsupported_media_type', 415, 'invalid_request_error', null],
    ['concurrency_limit', 429, 'rate_limit_error', null],
    ['request_limit', 429, 'rate_limit_error', null],
    ['budget_exceeded', 429, 'billing_error', 'false'],
    ['budget_reserved', 429, 'rate_limit_error', null],
    ['accounts_rate_limited', 429, 'rate_limit_error', null],
    ['accounts_over_quota', 429, 'rate_limit_error', null],
    ['internal', 500, 'api_error', null],
    ['misconfigured', 500, 'api_error', null],
    ['upstream_failed', 502, 'api_error', null],
    ['no_account', 503, 'api_error', 'false'],
    ['accounts_refused', 503, 'api_error', 'false'],
    ['accounts_unavailable', 503, 'api_error', null],
    ['store_unavailable', 503, 'api_error', null],
    ['upstream_timeout', 504, 'api_error', 'false'],
    ['accounts_overloaded', 529, 'overloaded_error', null],
  ] as const

  it.each(rows)('%s is a %i of type %s', async (code, status, type, shouldRetry) => {
    const response = anthropic.errorResponse(new GatewayError(code, 'A sentence'), 'id-1', 0)
    expect(response.status).toBe(status)
    expect(response.headers.get('x-should-retry')).toBe(shouldRetry)
    expect(await response.json()).toEqual({
      type: 'error',
      error: { type, message: 'A sentence' },
      request_id: 'id-1',
    })
  })

  it('asks for a short wait, and for no repeat when the wait is long', () => {
    const headersOf = (retryAfterSeconds: number) => {
      const error = new GatewayError('request_limit', 'Later', { retryAfterSeconds })
      const { headers } = anthropic.errorResponse(error, 'id-1', 0)
      return [headers.get('retry-after'), headers.get('x-should-retry')]
    }
    expect(headersOf(60)).toEqual(['60', null])
    expect(headersOf(61)).toEqual(['61', 'false'])
  })
})
