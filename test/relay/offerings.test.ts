/** Accounts that lack an operation, such as Responses on a base for chat only: learnt, shown, and not taken for sick. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createTestAdmin, createTestGateway, type TestGateway } from '../support/gateway.ts'
import { createManualClock, type ManualClock } from '../support/manual-clock.ts'
import { chatCompletion, responsesJson } from '../support/openai.ts'
import { type Behaviour, html, json, startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let clock: ManualClock
let test: TestGateway
let admin: ReturnType<typeof createTestAdmin>
let key: string
const ids: Record<string, string> = {}

beforeEach(async () => {
  upstream = await startUpstream()
  clock = createManualClock(Date.UTC(2026, 10, 22))
  test = createTestGateway({ clock })
  admin = createTestAdmin(test)
  ;({ key } = await admin.createKey())
})
afterEach(async () => {
  await test.close()
  await upstream.close()
})

const addAccount = async (name: string, priority: number, behaviour: Behaviour) => {
  const given = { apiUrl: `${upstream.url}/v1`, name, apiKey: `sk-${name}`, priority }
  ids[name] = (await admin.createAccount(given, 'codex')).id
  upstream.behave(`sk-${name}`, behaviour)
}
const post = async (path: string) => {
  const response = await test.app.request(`/openai/v1${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'gpt-5', input: 'hi', messages: [] }),
  })
  const text = await response.text()
  await test.deferred()
  return { status: response.status, text }
}
const askedOf = () => upstream.requests.map(({ credential }) => credential.replace('sk-', ''))
const availabilityOf = async (name: string) =>
  (await admin.call('GET', `/accounts/codex/${ids[name]}/availability`)).json

/** Serves chat, and refuses everything else so. */
const chatOnly =
  (refusal: Behaviour): Behaviour =>
  (exchange) =>
    (exchange.request.path.endsWith('/chat/completions') ? chatCompletion() : refusal)(exchange)

const invalid = (message: string, code: string | null = null) =>
  json(404, { error: { message, type: 'invalid_request_error', param: null, code } })
const refusals: [name: string, refusal: Behaviour][] = [
  ["OpenAI's words", invalid('Invalid URL (POST /v1/responses)')],
  ["Groq's words", invalid('Unknown request URL: POST /v1/responses. Please check', 'unknown_url')],
  ['an unknown path', invalid('Unknown path /v1/responses')],
  ["FastAPI's words", json(404, { detail: 'Not Found' })],
  ['405', json(405, { detail: 'Method Not Allowed' })],
  ['501', json(501, { error: { message: 'API not implemented', type: 'new_api_error' } })],
  ['a page with 404', html(404)],
]

describe('an account that lacks Responses', () => {
  it.each(refusals)(
    'and says so with %s is asked last, and does not cool down',
    async (_, refusal) => {
      await addAccount('chat', 1, chatOnly(refusal))
      await addAccount('whole', 50, responsesJson())
      expect((await post('/responses')).status).toBe(200)
      expect(askedOf()).toEqual(['chat', 'whole'])
      expect((await post('/responses')).status).toBe(200)
      expect(askedOf()).toEqual(['chat', 'whole', 'whole'])
      expect((await post('/chat/completions')).status).toBe(200)
      expect(askedOf().at(-1)).toBe('chat')
      expect(await availabilityOf('chat')).toMatchObject({
        available: true,
        reasons: [],
        lacks: [{ operation: 'responses', until: '2026-11-22T00:10:00.000Z' }],
      })
      expect(await availabilityOf('whole')).not.toHaveProperty('lacks')
      clock.advance(600_000)
      expect((await post('/responses')).status).toBe(200)
      expect(askedOf().slice(-2)).toEqual(['chat', 'whole'])
    },
  )

  it('is asked after the others have failed, and refuses in its own words when it is the only one', async () => {
    await addAccount('chat', 1, chatOnly(invalid('Invalid URL (POST /v1/responses)')))
    await addAccount('whole', 50, responsesJson())
    await post('/responses')
    upstream.behave('sk-whole', json(400, { error: { type: 'server_error', message: 'x' } }))
    await post('/responses')
    expect(askedOf().slice(2)).toEqual(['whole', 'chat'])
    await admin.call('DELETE', `/accounts/codex/${ids.whole}`)
    const { status, text } = await post('/responses')
    expect(status).toBe(404)
    expect(text).toContain('Invalid URL')
  })
})

it.each([
  [
    'a model that is unknown',
    json(404, { error: { message: 'The model `gpt-5` does not exist', code: 'model_not_found' } }),
  ],
  ['a response that is unknown', invalid("Previous response with id 'resp_1' not found.")],
])('%s says nothing of the operation', async (_, refusal) => {
  await addAccount('one', 1, refusal)
  await addAccount('two', 50, responsesJson())
  await post('/responses')
  expect(await availabilityOf('one')).not.toHaveProperty('lacks')
})

it('a page with 404 says nothing of an account that has just answered the operation', async () => {
  await addAccount('one', 1, responsesJson())
  await addAccount('two', 50, responsesJson())
  await post('/responses')
  upstream.behave('sk-one', html(404))
  expect((await post('/responses')).status).toBe(200)
  const { reasons, lacks } = await availabilityOf('one')
  expect(lacks).toBeUndefined()
  expect(reasons).toMatchObject([{ code: 'cooling' }])
})
