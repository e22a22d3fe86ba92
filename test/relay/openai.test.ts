/** OpenAI's APIs through a whole gateway: Responses, their compaction, and Chat Completions. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readFixture } from '../support/fixtures.ts'
import { createTestAdmin, createTestGateway, type TestGateway } from '../support/gateway.ts'
import { chatCompletion, responsesJson, responsesStream } from '../support/openai.ts'
import { json, reset, sse, startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let test: TestGateway
let admin: ReturnType<typeof createTestAdmin>
let id: string
let key: string

beforeEach(async () => {
  upstream = await startUpstream()
  test = createTestGateway()
  admin = createTestAdmin(test)
  for (const name of ['a', 'b']) {
    const apiUrl = `${upstream.url}/v1`
    await admin.createAccount({ apiUrl, name, apiKey: `sk-${name}` }, 'codex')
  }
  ;({ id, key } = await admin.createKey())
  upstream.respond(responsesStream())
})
afterEach(async () => {
  await test.close()
  await upstream.close()
})

const send = (path: string, fields: object = {}, headers: Record<string, string> = {}) =>
  test.app.request(path, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ model: 'gpt-5', input: 'hi', ...fields }),
  })
const stream = (fields: object = {}, headers: Record<string, string> = {}) =>
  send('/openai/v1/responses', { stream: true, ...fields }, headers)
const total = async () => {
  await test.deferred()
  return (await admin.call('GET', `/keys/${id}/stats`)).json.total
}
const askedOf = () => upstream.requests.map(({ credential }) => credential)

/** Every request of a Codex CLI or of an SDK of OpenAI that was recorded. */
const recorded = [
  'codex-0.20.0-exec',
  'codex-0.29.0-exec',
  'codex-0.40.0-exec',
  'codex-0.50.0-exec',
  'codex-0.80.0-exec',
  'codex-0.100.0-exec',
  'codex-0.114.0-exec',
  'codex-0.150.0-exec',
  'codex-0.169.0-exec',
  'codex-0.169.0-resume',
  'codex-0.169.0-tui',
  'codex-0.169.0-turn-state',
  'codex-0.169.0-compaction-local',
  'openai-sdk-resp-7.57.0',
  'openai-sdk-resp-stream-4.104.0',
  'vercel-ai-openai-7.0',
].map((name) => ({ name, ...JSON.parse(readFixture(`${name}.json`)) }))

describe('Responses', () => {
  it.each(recorded)(
    'of $name reach the account with every byte of the body',
    async ({ request }) => {
      const body = JSON.stringify(request.body)
      if (request.body.stream !== true) upstream.respond(responsesJson())
      const { 'content-encoding': _, ...headers } = request.headers
      const response = await test.app.request(`/openai${request.path}`, {
        method: 'POST',
        headers: { ...headers, authorization: `Bearer ${key}` },
        body,
      })
      expect(response.status).toBe(200)
      await response.text()
      expect(upstream.requests[0]?.path).toBe('/v1/responses')
      expect(upstream.requests[0]?.body.toString()).toBe(body)
      expect(await total()).toMatchObject({ requests: 1, inputTokens: 15, outputTokens: 9 })
    },
  )

  it.each([
    '/openai/v1/responses',
    '/openai/responses',
    '/v1/responses',
    '/openai/v1/v1/responses/',
  ])('are served at %s, byte for byte', async (path) => {
    const given = readFixture('responses-text.sse')
    upstream.respond(sse(given))
    const response = await send(path, { stream: true })
    expect(await response.text()).toBe(given)
    expect(response.headers.get('content-type')).toContain('text/event-stream')
  })

  it.each(['completed', 'incomplete', 'failed'] as const)(
    'are charged as the terminal event %s counts them',
    async (ending) => {
      upstream.respond(responsesStream({ ending, webSearches: 2, usage: { written12h: 3 } }))
      await (await stream()).text()
      expect(await total()).toMatchObject({
        requests: 1,
        inputTokens: 12,
        cacheReadTokens: 100,
        cacheCreate30mTokens: 5,
        cacheCreate12hTokens: 3,
        outputTokens: 9,
        reasoningTokens: 4,
        webSearchRequests: 2,
        estimatedRequests: 0,
      })
    },
  )

  it('that break off end with an error event, and are charged by what was seen', async () => {
    upstream.respond(responsesStream({ ending: 'cut', deltas: ['x'.repeat(400)] }))
    const text = await (await stream()).text()
    expect(text).toMatch(/event: error\ndata: \{"type":"error".*\}\n\n$/)
    expect(await total()).toMatchObject({ estimatedRequests: 1, outputTokens: 100 })
  })

  const overloaded = readFixture('responses-failed-overloaded.sse').replace(
    /event: response.(output|content)[\s\S]*?\n\n/g,
    '',
  )
  it.each([
    ['a reset', reset()],
    ['a 503', json(503, {})],
    ['a 429', json(429, {})],
    ['response.failed before content', sse(overloaded)],
  ])('move to another account after %s', async (_, failure) => {
    upstream.respond(failure, responsesStream())
    expect(await (await stream()).text()).toContain('response.completed')
    expect(new Set(askedOf())).toEqual(new Set(['sk-a', 'sk-b']))
    expect(await total()).toMatchObject({ requests: 1, outputTokens: 9 })
  })

  it('are refused by the upstream in its own words', async () => {
    const refusal = {
      error: { message: 'No such tool', type: 'invalid_request_error', code: null },
    }
    upstream.respond(json(400, refusal))
    const response = await stream()
    expect(response.status).toBe(400)
    expect(await response.json()).toEqual(refusal)
    expect(upstream.requests).toHaveLength(1)
  })

  it('stay on the account of their session, and of the response that they continue', async () => {
    upstream.respond(responsesJson({ id: 'resp_one' }))
    await (await send('/openai/v1/responses')).text()
    await test.deferred()
    for (let turn = 0; turn < 3; turn++) {
      await (await send('/openai/v1/responses', { previous_response_id: 'resp_one' })).text()
      await test.deferred()
    }
    expect(new Set(askedOf()).size).toBe(1)
  })

  it('in the background are refused: their usage would only show in a later poll', async () => {
    const response = await send('/openai/v1/responses', { background: true })
    expect(response.status).toBe(400)
    const { error } = JSON.parse(await response.text())
    expect(error).toMatchObject({ param: 'background', code: 'invalid_request' })
    expect((await send('/openai/v1/responses', { background: false })).status).toBe(200)
  })

  it('are compacted by the account, and charged', async () => {
    const usage = { input_tokens: 10, output_tokens: 2 }
    upstream.respond(json(200, { id: 'c', object: 'response.compaction', output: [], usage }))
    const response = await send('/openai/v1/responses/compact')
    expect(response.status).toBe(200)
    expect(upstream.requests[0]?.path).toBe('/v1/responses/compact')
    expect(await total()).toMatchObject({ requests: 1, inputTokens: 10, outputTokens: 2 })
  })

  it('get errors in the envelope of OpenAI, unknown routes and methods included', async () => {
    const wrong = await stream({}, { authorization: 'Bearer cr_unknown' })
    expect(wrong.status).toBe(401)
    expect(JSON.parse(await wrong.text()).error).toMatchObject({ code: 'invalid_api_key' })
    const unknown = await test.app.request('/openai/v1/nothing')
    expect(unknown.status).toBe(404)
    expect(JSON.parse(await unknown.text())).toMatchObject({ error: { code: 'not_found' } })
    const method = await test.app.request('/openai/v1/responses', { method: 'PUT' })
    expect(method.status).toBe(405)
    expect(JSON.parse(await method.text())).toMatchObject({ error: { code: 'method_not_allowed' } })
  })
})

describe('Chat Completions', () => {
  const chat = (fields: object = {}) =>
    send('/openai/v1/chat/completions', { messages: [{ role: 'user', content: 'hi' }], ...fields })

  beforeEach(() => upstream.respond(chatCompletion()))

  it('are relayed whole and streamed, and charged as the upstream counts them', async () => {
    const whole = await chat()
    expect(JSON.parse(await whole.text()).choices[0].message.content).toBe('Hi from mock.')
    const streamed = await chat({ stream: true, stream_options: { include_usage: true } })
    expect(await streamed.text()).toContain('"usage":{"prompt_tokens":120')
    expect(upstream.requests[0]?.path).toBe('/v1/chat/completions')
    expect(await total()).toMatchObject({
      requests: 2,
      inputTokens: 30,
      cacheReadTokens: 200,
      outputTokens: 18,
      estimatedRequests: 0,
    })
  })

  it('are charged exactly when the client asks for no usage, and it sees none', async () => {
    const response = await chat({ stream: true })
    const text = await response.text()
    expect(text).not.toContain('usage')
    expect(text).toMatch(/data: \[DONE\]\n\n$/)
    expect(JSON.parse(upstream.requests[0]?.body.toString() ?? '').stream_options).toEqual({
      include_usage: true,
    })
    expect(await total()).toMatchObject({ requests: 1, outputTokens: 9, estimatedRequests: 0 })
  })

  it('in the form that was not asked for are given in the one that was', async () => {
    upstream.respond(sse(readFixture('chat-text-usage.sse')))
    expect(JSON.parse(await (await chat()).text()).choices[0].message.content).toBe('Hi from mock.')
    const usage = { prompt_tokens: 1, completion_tokens: 1 }
    const choices = [{ index: 0, message: { role: 'assistant', content: 'hi' } }]
    upstream.respond(json(200, { id: 'c', object: 'chat.completion', choices, usage }))
    const streamed = await chat({ stream: true, stream_options: { include_usage: true } })
    expect(await streamed.text()).toMatch(/"content":"hi".*\n\n[\s\S]*data: \[DONE\]\n\n$/)
  })
})
