/** The models that a gateway key may use, in the form that its program understands. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createTestAdmin, createTestGateway, type TestGateway } from '../support/gateway.ts'

let test: TestGateway
let admin: ReturnType<typeof createTestAdmin>
let key: string

beforeEach(async () => {
  test = createTestGateway()
  admin = createTestAdmin(test)
  ;({ key } = await admin.createKey())
})
afterEach(() => test.close())

const ask = async (path: string, headers: Record<string, string> = {}, asker = key) => {
  const response = await test.app.request(path, { headers: { 'x-api-key': asker, ...headers } })
  return { status: response.status, json: JSON.parse(await response.text()) }
}
const anthropic = { 'anthropic-version': '2023-06-01' }
const idsOf = ({ json }: { json: { data: { id: string }[] } }) => json.data.map(({ id }) => id)

describe('the list of models', () => {
  it('names what the accounts list, and else what the price list names', async () => {
    await admin.createAccount({ supportedModels: { 'claude-z': 'x', 'claude-a': 'y' } })
    expect(idsOf(await ask('/v1/models', anthropic))).toEqual(['claude-a', 'claude-z'])
    await admin.createAccount({ name: 'all' })
    const all = idsOf(await ask('/api/v1/models', anthropic))
    expect(all).toContain('claude-z')
    expect(all).toContain('claude-sonnet-4-6')
    expect(all.filter((id) => !id.startsWith('claude-'))).toEqual([])
  })

  it('has the form of Anthropic for its programs, with pages', async () => {
    await admin.createAccount({ supportedModels: ['a', 'b', 'c'] })
    const first = await ask('/v1/models?limit=2', { 'user-agent': 'claude-code/2.1.330' })
    expect(first.json).toEqual({
      data: ['a', 'b'].map((id) => ({
        type: 'model',
        id,
        display_name: id,
        created_at: '1970-01-01T00:00:00Z',
      })),
      has_more: true,
      first_id: 'a',
      last_id: 'b',
    })
    const next = await ask('/v1/models?limit=2&after_id=b', anthropic)
    expect(next.json).toMatchObject({ data: [{ id: 'c' }], has_more: false })
    const before = await ask('/v1/models?limit=1&before_id=c', anthropic)
    expect(before.json).toMatchObject({ data: [{ id: 'b' }], has_more: true })
  })

  it('has the form of OpenAI for all others, and is empty for Codex', async () => {
    await admin.createAccount({ apiKey: 'sk-o', supportedModels: ['gpt-x'] }, 'codex')
    for (const path of ['/v1/models', '/openai/v1/models', '/openai/models']) {
      expect((await ask(path)).json).toEqual({
        object: 'list',
        data: [{ id: 'gpt-x', object: 'model', created: 0, owned_by: 'gateway' }],
      })
    }
    expect((await ask('/v1/models?client_version=0.169.0')).json).toEqual({ models: [] })
  })

  it('leaves out what the key may not use', async () => {
    await admin.createAccount({ supportedModels: ['claude-a', 'claude-b', 'other'] })
    const { key: limited } = await admin.createKey({
      enableModelRestriction: true,
      restrictedModels: ['claude-b*', 'nothing'],
    })
    expect(idsOf(await ask('/v1/models', anthropic, limited))).toEqual(['claude-b'])
  })

  it('is empty without an account, and leaves out those that are switched off', async () => {
    expect(idsOf(await ask('/v1/models', anthropic))).toEqual([])
    await admin.createAccount({ supportedModels: ['a'], isActive: false })
    expect(idsOf(await ask('/v1/models', anthropic))).toEqual([])
  })

  it('is refused to an unknown key, and to one of another permission', async () => {
    const unknown = await ask('/v1/models', anthropic, 'cr_unknown')
    expect(unknown).toMatchObject({ status: 401, json: { type: 'error' } })
    const { key: codex } = await admin.createKey({ permissions: 'codex' })
    expect((await ask('/v1/models', anthropic, codex)).status).toBe(403)
    expect((await ask('/openai/v1/models', {}, 'cr_unknown')).json.error.code).toBe(
      'invalid_api_key',
    )
  })
})

describe('one model', () => {
  it('is shown where the key may use it, slashes in its name included', async () => {
    await admin.createAccount({ supportedModels: ['vendor/claude'] })
    expect((await ask('/v1/models/vendor/claude', anthropic)).json).toMatchObject({
      id: 'vendor/claude',
    })
    expect((await ask('/v1/models/nope', anthropic)).status).toBe(404)
  })
})

describe('what else clients ask for', () => {
  it('is answered without a key where it says nothing', async () => {
    const batch = await test.app.request('/api/event_logging/batch', { method: 'POST', body: '{}' })
    expect(batch.status).toBe(200)
  })

  it.each(['/v1/messages/batches', '/v1/messages/batches/b1', '/v1/files', '/api/v1/files/f1'])(
    'is told to be not relayed, with the reason: %s',
    async (path) => {
      const { status, json } = await ask(path)
      expect(status).toBe(404)
      expect(json.error).toMatchObject({ type: 'not_found_error' })
      expect(json.error.message).toContain('not relayed')
    },
  )
})
