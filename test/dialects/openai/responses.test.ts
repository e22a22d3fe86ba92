import { createParser } from 'eventsource-parser'
import { describe, expect, it } from 'vitest'
import { openaiResponses } from '../../../src/dialects/openai/responses.ts'
import { GatewayError } from '../../../src/errors.ts'
import { readFixture } from '../../support/fixtures.ts'

const read = (text: string, outputLimit?: number) => {
  const reader = openaiResponses.createUsageReader(400, outputLimit)
  const kinds: string[] = []
  const parser = createParser({ onEvent: (message) => kinds.push(reader.event(message)) })
  parser.feed(text)
  return { reader, kinds }
}
const named = (type: string, fields: object = {}) =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`
const unnamed = (type: string, fields: object = {}) =>
  `data: ${JSON.stringify({ ...fields, type })}\n\n`
const usage = {
  input_tokens: 1000,
  input_tokens_details: {
    cached_tokens: 600,
    cache_write_tokens: 300,
    cache_write_tokens_details: { ttl_30m_tokens: 100, ttl_12h_tokens: 200 },
  },
  output_tokens: 50,
  output_tokens_details: { reasoning_tokens: 20 },
}

describe('the usage of a Responses stream', () => {
  it('is read from the recorded stream of a whole answer', () => {
    const { reader, kinds } = read(readFixture('responses-text.sse'))
    expect(reader.state()).toBe('complete')
    expect(reader.issuedIds?.()).toEqual([{ kind: 'response', id: 'resp_mock001' }])
    expect(kinds.slice(0, 3)).toEqual(['preamble', 'preamble', 'content'])
    const { usage, estimated, factors } = reader.total()
    expect(estimated).toBe(false)
    expect(usage).toMatchObject({ inputTokens: 288, cacheReadTokens: 1024, outputTokens: 27 })
    expect(factors).toEqual({ serviceTier: 'default', servedModel: 'gpt-5-codex' })
  })

  it.each(['response.completed', 'response.incomplete', 'response.failed'])(
    'is read from the event %s, with the cache by its lifetimes',
    (type) => {
      const response = { id: 'resp_1', usage, tool_usage: { web_search: { num_requests: 2 } } }
      for (const write of [named, unnamed]) {
        const { reader } = read(write(type, { response }))
        expect(reader.total()).toMatchObject({
          estimated: false,
          usage: {
            inputTokens: 100,
            cacheReadTokens: 600,
            cacheWrite30mTokens: 100,
            cacheWrite12hTokens: 200,
            outputTokens: 50,
            reasoningTokens: 20,
            webSearchRequests: 2,
          },
        })
      }
    },
  )

  it('is estimated from what was seen when the stream breaks off, arguments of tools included', () => {
    const { reader } = read(
      named('response.output_text.delta', { delta: 'x'.repeat(40) }) +
        named('response.function_call_arguments.delta', { delta: '{"a":"\\"b"}' }),
    )
    expect(reader.state()).toBe('open')
    const { usage, estimated } = reader.total()
    expect(estimated).toBe(true)
    expect(usage).toMatchObject({ inputTokens: 100, outputTokens: 15 })
  })

  it('is estimated when all its counts are zero although it has content', () => {
    const zeros = { input_tokens: 0, output_tokens: 0 }
    const { reader } = read(
      named('response.output_text.delta', { delta: 'x'.repeat(40) }) +
        named('response.completed', { response: { id: 'r', usage: zeros } }),
    )
    expect(reader.total()).toMatchObject({ estimated: true, usage: { outputTokens: 10 } })
  })

  it('is not believed where it names more output than the request allows', () => {
    const { reader } = read(named('response.completed', { response: { id: 'r', usage } }), 16)
    expect(reader.total()).toMatchObject({ estimated: true, usage: { outputTokens: 16 } })
  })

  it('is read where relays write counts as strings', () => {
    const response = { id: 'r', usage: { input_tokens: '12', output_tokens: '3' } }
    const { reader } = read(named('response.completed', { response }))
    expect(reader.total().usage).toMatchObject({ inputTokens: 12, outputTokens: 3 })
  })
})

describe('the events of a Responses stream', () => {
  it('begin the answer with the first that is not about the response as a whole', () => {
    for (const type of [
      'response.output_item.added',
      'response.compaction.compacting',
      'response.reasoning_summary_text.delta',
      'response.web_search_call.searching',
    ]) {
      expect(
        read(named('response.created') + named('response.queued') + named(type)).kinds,
      ).toEqual(['preamble', 'preamble', 'content'])
    }
    expect(read(`${named('codex.rate_limits')}: comment\n\n`).kinds).toEqual(['preamble'])
  })

  it('report a failure in the words of the upstream', () => {
    const failed = read(readFixture('responses-failed-overloaded.sse')).reader
    expect(failed.state()).toBe('failed')
    expect(failed.failure()).toMatchObject({ code: 'server_is_overloaded', message: 'mock failed' })
    const flat = read(readFixture('responses-error-event.sse')).reader
    expect(flat.failure()).toMatchObject({ code: 'server_error', message: 'mid stream' })
    const nested = read(unnamed('error', { error: { code: 'rate_limit_exceeded', message: 'm' } }))
    expect(nested.reader.failure()).toMatchObject({ code: 'rate_limit_exceeded' })
  })
})

describe('a whole answer of Responses', () => {
  it('is one when it is a response or a compaction', () => {
    const reader = () => openaiResponses.createUsageReader(1)
    expect(reader().answer({ object: 'response', status: 'completed', usage })).toBe(true)
    expect(reader().answer({ object: 'response.compaction', output: [], usage })).toBe(true)
    expect(reader().answer({ object: 'list' })).toBe(false)
    // A text of it cannot be made.
    expect(reader().answer({ object: { toString: 1, valueOf: 1 } })).toBe(false)
    expect(reader().answer({ error: { message: 'no' } })).toBe(false)
  })

  it('is an error when it failed before it cost anything', () => {
    const failed = { object: 'response', status: 'failed', error: { code: 'server_error' } }
    expect(openaiResponses.createUsageReader(1).answer(failed)).toBe(false)
    expect(openaiResponses.createUsageReader(1).answer({ ...failed, usage })).toBe(true)
    const cached = { input_tokens: 5, input_tokens_details: { cached_tokens: 5 }, output_tokens: 0 }
    expect(openaiResponses.createUsageReader(1).answer({ ...failed, usage: cached })).toBe(true)
  })
})

describe('the two forms of a response', () => {
  const fold = (text: string) => {
    const folded = openaiResponses.createFold?.()
    createParser({ onEvent: (message) => folded?.event(message) }).feed(text)
    return folded?.answer()
  }

  it('a stream folds into the response that its last event holds', () => {
    const folded = JSON.parse(fold(readFixture('responses-text.sse')) ?? '')
    expect(folded).toMatchObject({ id: 'resp_mock001', object: 'response', status: 'completed' })
    expect(folded.output[0].content[0].text).toBe('Hi from mock.')
  })

  it('a stream whose last event leaves the output empty folds its items in', () => {
    const item = { type: 'message', content: [{ type: 'output_text', text: 'hi' }] }
    const text =
      named('response.output_item.done', { output_index: 0, item }) +
      named('response.completed', { response: { id: 'r', object: 'response', output: [] } })
    expect(JSON.parse(fold(text) ?? '').output).toEqual([item])
  })

  it('a stream without an end has no form as JSON', () => {
    expect(fold(named('response.created', { response: {} }))).toBeUndefined()
  })

  it('a response unfolds into events that fold back into it', () => {
    const response = {
      id: 'r',
      object: 'response',
      status: 'completed',
      output: [
        {
          id: 'm',
          type: 'message',
          status: 'completed',
          content: [{ type: 'output_text', text: 'hi' }],
        },
        { id: 'f', type: 'function_call', arguments: '{"a":1}' },
      ],
      usage,
    }
    const text = openaiResponses.unfold?.(new TextEncoder().encode(JSON.stringify(response))) ?? ''
    expect(JSON.parse(fold(text) ?? '')).toEqual(response)
    const { reader } = read(text)
    expect(reader.state()).toBe('complete')
    expect(text).toContain('"type":"response.output_text.delta"')
  })
})

describe("the gateway's errors for clients of Responses", () => {
  const rows = [
    ['invalid_api_key', 401, 'invalid_api_key', null, 'false'],
    ['not_permitted', 403, 'permission_denied', null, 'false'],
    ['model_not_permitted', 400, 'model_not_permitted', null, 'false'],
    ['not_found', 404, 'not_found', null, 'false'],
    ['body_too_large', 413, 'request_too_large', null, 'false'],
    ['concurrency_limit', 429, 'rate_limit_exceeded', '7', null],
    ['request_limit', 429, 'rate_limit_exceeded', '7', null],
    ['budget_reserved', 429, 'rate_limit_exceeded', '7', null],
    ['budget_exceeded', 429, 'usage_limit_reached', null, 'false'],
    ['accounts_rate_limited', 429, 'rate_limit_exceeded', '7', null],
    ['accounts_refused', 400, 'account_refused', null, 'false'],
    ['accounts_overloaded', 503, 'server_is_overloaded', null, null],
    ['accounts_unavailable', 503, 'server_is_overloaded', null, null],
    ['store_unavailable', 503, 'server_is_overloaded', null, null],
    ['upstream_failed', 503, 'server_is_overloaded', null, null],
    ['upstream_timeout', 503, 'server_is_overloaded', null, 'false'],
    ['internal', 500, 'internal', null, null],
  ] as const

  it.each(rows)('%s is a %i with the code %s', async (code, status, wire, wait, shouldRetry) => {
    const error = new GatewayError(code, 'A sentence', { retryAfterSeconds: 7 })
    const response = openaiResponses.errorResponse(error, 'id-1', 1_000_000)
    expect(response.status).toBe(status)
    expect(response.headers.get('retry-after')).toBe(wait)
    expect(response.headers.get('x-should-retry')).toBe(shouldRetry)
    expect(response.headers.get('x-request-id')).toBe('id-1')
    const { error: told } = JSON.parse(await response.text())
    expect(told).toMatchObject({ message: 'A sentence', code: wire, param: null })
  })

  it('a spent budget names the time of its reset in unix seconds', async () => {
    const error = new GatewayError('budget_exceeded', 'Spent', { retryAfterSeconds: 60 })
    const answer = openaiResponses.errorResponse(error, 'i', 1_000_500)
    const { error: told } = JSON.parse(await answer.text())
    expect(told).toMatchObject({ resets_at: 1061, resets_in_seconds: 60 })
  })

  it('a wait of more than a minute is not told: Codex would sleep for all of it', () => {
    const error = new GatewayError('request_limit', 'Later', { retryAfterSeconds: 3600 })
    const { headers } = openaiResponses.errorResponse(error, 'i', 0)
    expect(headers.get('retry-after')).toBeNull()
    expect(headers.get('x-should-retry')).toBe('false')
  })

  it('in a stream end the turn where a repeat would meet the same, and are repeated else', () => {
    const eventOf = (code: ConstructorParameters<typeof GatewayError>[0]) => {
      const text = openaiResponses.errorEvent(new GatewayError(code, 'A sentence'), 'id-1')
      return JSON.parse(text.split('\ndata: ')[1] ?? '')
    }
    expect(eventOf('model_not_permitted')).toMatchObject({
      type: 'response.failed',
      response: { status: 'failed', error: { code: 'invalid_prompt', message: 'A sentence' } },
    })
    expect(eventOf('request_limit').response.error.code).toBe('rate_limit_exceeded')
    expect(eventOf('upstream_failed')).toMatchObject({ type: 'error', message: 'A sentence' })
  })

  it("an upstream's refusal becomes an event that shows its message", () => {
    const text = openaiResponses.refusalEvent('{"error":{"code":"x","message":"No"}}') ?? ''
    expect(JSON.parse(text.split('\ndata: ')[1] ?? '').response.error).toEqual({
      code: 'invalid_prompt',
      message: 'No',
    })
    expect(openaiResponses.refusalEvent('<html>')).toBeUndefined()
  })
})
