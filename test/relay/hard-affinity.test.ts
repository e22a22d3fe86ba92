/** What only the account can serve that issued it: that account, or an answer at once; the others are never asked. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createTestAdmin, createTestGateway, type TestGateway } from '../support/gateway.ts'
import { responsesJson } from '../support/openai.ts'
import { json, startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let test: TestGateway
let admin: ReturnType<typeof createTestAdmin>
let key: string
const ids: Record<string, string> = {}

beforeEach(async () => {
  upstream = await startUpstream()
  test = createTestGateway({
    config: { ACCOUNT_WAIT_SECONDS: '0', SOLE_ACCOUNT_RETRY_SECONDS: '0' },
  })
  admin = createTestAdmin(test)
  ;({ key } = await admin.createKey())
})
afterEach(async () => {
  await test.close()
  await upstream.close()
})

const addAccounts = async (platform: 'codex' | 'claude-console') => {
  for (const name of ['a', 'b']) {
    const given = { apiUrl: `${upstream.url}/v1`, name, apiKey: `sk-${name}` }
    ids[name] = (await admin.createAccount(given, platform)).id
  }
}
const post = async (path: string, body: object, headers: Record<string, string> = {}) => {
  const response = await test.app.request(path, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
  const answer = { status: response.status, json: JSON.parse(await response.text()), response }
  await test.deferred()
  return answer
}
const respond = (fields: object, headers?: Record<string, string>) =>
  post('/openai/v1/responses', { model: 'gpt-5', input: 'hi', ...fields }, headers)
const askedOf = () => upstream.requests.map(({ credential }) => credential)
const asked = () => String(askedOf().at(-1)).replace('sk-', '')
const other = (name: string) => (name === 'a' ? 'b' : 'a')
const put = (name: string, fields: object) =>
  admin.call('PUT', `/accounts/codex/${ids[name]}`, fields)

const encrypted = { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'gAAAA' }
const compaction = { type: 'compaction', id: 'cmp_1', encrypted_content: 'gAAAA' }
const said = { type: 'message', role: 'user', content: 'hi' }
const session = { 'session-id': 'one' }

describe('of Responses', () => {
  const code = { type: 'code_interpreter_call', id: 'ci_1', container_id: 'cntr_1' }
  beforeEach(async () => {
    await addAccounts('codex')
    const message = { type: 'message', id: 'msg_1', role: 'assistant', content: [] }
    const answer = {
      id: 'resp_1',
      object: 'response',
      status: 'completed',
      conversation: { id: 'conv_1' },
      output: [code, message],
      usage: { input_tokens: 1, output_tokens: 1 },
    }
    upstream.respond(json(200, answer, { 'x-codex-turn-state': 'turn-1' }))
  })

  const tool = { type: 'code_interpreter', container: 'cntr_1' }
  const references: [name: string, fields: object, headers: Record<string, string>][] = [
    ['previous_response_id', { previous_response_id: 'resp_1' }, {}],
    ['conversation', { conversation: 'conv_1' }, {}],
    ['conversation', { conversation: { id: 'conv_1' } }, {}],
    ['container', { tools: [tool] }, {}],
    ['x-codex-turn-state', {}, { 'x-codex-turn-state': 'turn-1' }],
    ['input', { input: [said, encrypted] }, session],
    ['input', { input: [compaction] }, session],
  ]

  it.each(references)('%s brings %j to its account, whatever else is free', async (_, f, h) => {
    await respond({}, session)
    const issuer = asked()
    await put(other(issuer), { priority: 1 })
    for (let turn = 0; turn < 3; turn++) expect((await respond(f, h)).status).toBe(200)
    expect(new Set(askedOf().slice(1))).toEqual(new Set([`sk-${issuer}`]))
  })

  it.each(references)(
    '%s of an account that is gone is refused at once: %j',
    async (name, f, h) => {
      await respond({}, session)
      await put(asked(), { isActive: false })
      const { status, json: body, response } = await respond(f, h)
      expect(status).toBe(400)
      const isContent = name === 'input'
      expect(body.error).toMatchObject({
        type: 'invalid_request_error',
        code: isContent ? 'invalid_encrypted_content' : 'previous_response_not_found',
        param: name,
        message: expect.stringMatching(/not available to it any more; start a new conversation$/),
      })
      expect(response.headers.get('x-should-retry')).toBe('false')
      expect(upstream.requests).toHaveLength(1)
      expect((await respond({}, { 'session-id': 'two' })).status).toBe(200)
    },
  )

  it.each(references)(
    '%s of an account that cools down gets a true answer: %j',
    async (_, f, h) => {
      await respond({}, session)
      const issuer = asked()
      const limited = {
        error: { message: 'Slow down', type: 'requests', code: 'rate_limit_exceeded' },
      }
      upstream.respond(json(429, limited, { 'retry-after': '30' }))
      await respond(f, h)
      const { status, json: body } = await respond(f, h)
      expect(status).toBe(429)
      expect(body.error.message).toMatch(
        /^The upstream account that this request is bound to is rate limited/,
      )
      expect(new Set(askedOf())).toEqual(new Set([`sk-${issuer}`]))
    },
  )

  const missing = (code: string) =>
    json(400, { error: { message: 'Not found', type: 'invalid_request_error', code } })
  it.each([
    ...references,
    ['file', { input: [{ ...said, content: [{ type: 'input_file', file_id: 'file-1' }] }] }, {}],
  ] as typeof references)('%s that is unknown is asked of one account: %j', async (_, f, h) => {
    upstream.respond(missing('previous_response_not_found'))
    const { status, json: body } = await respond(f, h)
    expect(status).toBe(400)
    expect(body.error).toMatchObject({ message: 'Not found', code: 'previous_response_not_found' })
    expect(upstream.requests).toHaveLength(1)
  })

  it('that is only mentioned, empty, or of a tool binds nothing', async () => {
    upstream.respond(missing('invalid_encrypted_content'))
    const text = JSON.stringify({ encrypted_content: 'x', file_id: 'file-1' })
    const input = [
      { ...said, content: text },
      { ...encrypted, encrypted_content: null },
      { type: 'function_call', arguments: text, call_id: 'c', name: 'f' },
    ]
    const tools = [
      {
        type: 'function',
        parameters: { properties: { file_id: { enum: ['file-1'] }, container: {} } },
      },
      { type: 'code_interpreter', container: { type: 'auto' } },
    ]
    await respond({ input, tools })
    expect(upstream.requests).toHaveLength(2)
  })

  it('is counted by the account that issued it, or by none', async () => {
    upstream.respond(responsesJson({ id: 'resp_2' }))
    await respond({})
    const issuer = asked()
    const count = () =>
      post('/openai/v1/responses/input_tokens', { model: 'm', previous_response_id: 'resp_2' })
    upstream.respond(json(200, { object: 'response.input_tokens', input_tokens: 1 }))
    expect((await count()).status).toBe(200)
    expect(asked()).toBe(issuer)
    await put(issuer, { isActive: false })
    expect((await count()).json.error.code).toBe('previous_response_not_found')
    expect(upstream.requests).toHaveLength(2)
  })
})

describe('of Messages', () => {
  const content = [{ type: 'text', text: 'hi' }]
  const message = { type: 'message', content, usage: { input_tokens: 1, output_tokens: 1 } }
  const send = (fields: object) =>
    post('/v1/messages', { model: 'claude-x', max_tokens: 9, messages: [], ...fields })
  beforeEach(() => addAccounts('claude-console'))

  it.each([{ container: 'container_1' }, { container: { id: 'container_1', skills: [] } }])(
    'a container stays with its account, and is refused without it: %j',
    async (fields) => {
      upstream.respond(json(200, { ...message, container: { id: 'container_1' } }))
      await send({ system: 'first' })
      const issuer = asked()
      for (let turn = 0; turn < 3; turn++) await send(fields)
      expect(new Set(askedOf())).toEqual(new Set([`sk-${issuer}`]))
      await admin.call('DELETE', `/accounts/claude-console/${ids[issuer]}`)
      const { status, json: body } = await send(fields)
      expect(status).toBe(400)
      expect(body.error).toMatchObject({ type: 'invalid_request_error' })
      expect(body.error.message).toContain('the container in this request')
      expect(upstream.requests).toHaveLength(4)
    },
  )

  it.each([
    { container: 'container_2' },
    { messages: [{ role: 'user', content: [{ type: 'container_upload', file_id: 'file_1' }] }] },
    {
      messages: [
        {
          role: 'user',
          content: [{ type: 'document', source: { type: 'file', file_id: 'file_1' } }],
        },
      ],
    },
  ])('what no account is known for is asked of one: %j', async (fields) => {
    const error = { type: 'not_found_error', message: 'File not found: file_1' }
    upstream.respond(json(404, { type: 'error', error }))
    const { status, json: body } = await send(fields)
    expect({ status, error: body.error }).toEqual({ status: 404, error })
    expect(upstream.requests).toHaveLength(1)
  })
})
