/** What vendors do not charge: counting tokens, and responses that they store. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createTestAdmin, createTestGateway, type TestGateway } from '../support/gateway.ts'
import { responsesJson } from '../support/openai.ts'
import { html, json, reset, startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let test: TestGateway
let admin: ReturnType<typeof createTestAdmin>

beforeEach(async () => {
  upstream = await startUpstream()
  test = createTestGateway()
  admin = createTestAdmin(test)
})
afterEach(async () => {
  await test.close()
  await upstream.close()
})

const ask = (method: string, path: string, key: string, body?: object) =>
  test.app.request(path, {
    method,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  })
const askedOf = () => upstream.requests.map(({ credential }) => credential)
const errorOf = async (response: Response) => JSON.parse(await response.text()).error
const statsOf = async (id: string) => {
  await test.deferred()
  return (await admin.call('GET', `/keys/${id}/stats`)).json.total
}

describe('counting tokens', () => {
  const body = { model: 'claude-sonnet-4-6', messages: [{ role: 'user', content: 'hi' }] }
  const count = (key: string, fields: object = {}) =>
    ask('POST', '/v1/messages/count_tokens?beta=true', key, { ...body, ...fields })

  beforeEach(async () => {
    for (const name of ['a', 'b']) {
      await admin.createAccount({ apiUrl: upstream.url, name, apiKey: `sk-ant-${name}` })
    }
    upstream.respond(json(200, { input_tokens: 7 }))
  })

  it('is answered by an account, and books nothing', async () => {
    const { id, key } = await admin.createKey()
    const response = await count(key)
    expect(JSON.parse(await response.text())).toEqual({ input_tokens: 7 })
    expect(upstream.requests[0]?.path).toBe('/v1/messages/count_tokens?beta=true')
    expect(await statsOf(id)).toMatchObject({ requests: 0, costUsd: 0 })
  })

  it('is served 28 times at once for a key whose every limit is used up', async () => {
    const limits = { concurrencyLimit: 1, rateLimitWindow: 1, rateLimitRequests: 1 }
    const { key } = await admin.createKey({ ...limits, totalCostLimit: 4e-10 })
    const answers = await Promise.all(Array.from({ length: 28 }, () => count(key)))
    expect(answers.map(({ status }) => status)).toEqual(Array(28).fill(200))
  })

  it.each([
    ['a page', html(404)],
    ['a refusal of the address', json(404, { error: { message: 'Invalid URL', type: 'x' } })],
    ['a refusal of the method', html(405)],
  ])('is not offered where every upstream answers it with %s', async (_, missing) => {
    upstream.respond(missing)
    const { key } = await admin.createKey()
    const response = await count(key)
    expect(response.status).toBe(501)
    expect(response.headers.get('x-should-retry')).toBe('false')
    expect(askedOf().toSorted()).toEqual(['sk-ant-a', 'sk-ant-b'])
  })

  it('shows that a model is unknown, as the upstream says it', async () => {
    const refusal = { type: 'error', error: { type: 'not_found_error', message: 'model: nope' } }
    upstream.respond(json(404, refusal))
    const { key } = await admin.createKey()
    const response = await count(key, { model: 'nope' })
    expect(response.status).toBe(404)
    expect(JSON.parse(await response.text())).toEqual(refusal)
  })

  it('asks the next account after a failure, and harms the health of none', async () => {
    for (const failure of [reset(), json(429, {}), json(401, {}), json(529, {})]) {
      upstream.respond(failure, json(200, { input_tokens: 7 }))
      const { key } = await admin.createKey()
      expect((await count(key)).status).toBe(200)
    }
    await test.deferred()
    const { data } = (await admin.call('GET', '/accounts/claude-console')).json
    for (const { health } of data) expect(health.status).toBe('healthy')
  })

  it('says that every account failed when that is so', async () => {
    upstream.respond(json(529, {}))
    const { key } = await admin.createKey()
    const response = await count(key)
    expect(response.status).toBe(529)
  })

  it('asks accounts that cool down only after the others', async () => {
    const { key } = await admin.createKey()
    upstream.behave('sk-ant-a', json(429, {}, { 'retry-after': '60' }))
    upstream.behave('sk-ant-b', json(429, {}, { 'retry-after': '60' }))
    await admin.createAccount({ apiUrl: upstream.url, name: 'c', apiKey: 'sk-ant-c', priority: 90 })
    upstream.behave('sk-ant-c', json(200, { type: 'message', content: [] }))
    await (await ask('POST', '/v1/messages', key, body)).text()
    await test.deferred()
    upstream.requests.length = 0
    upstream.behave('sk-ant-c', json(200, { input_tokens: 7 }))
    expect((await count(key)).status).toBe(200)
    expect(askedOf()).toEqual(['sk-ant-c'])
  })

  it('obeys the state, the models and the programs of a key', async () => {
    const { id, key } = await admin.createKey({
      enableModelRestriction: true,
      restrictedModels: ['claude-haiku-4-5'],
    })
    expect((await count(key)).status).toBe(403)
    expect((await count(key, { model: 'claude-haiku-4-5' })).status).toBe(200)
    await admin.call('PUT', `/keys/${id}`, {
      enableClientRestriction: true,
      allowedClients: ['claude_code'],
    })
    expect((await count(key, { model: 'claude-haiku-4-5' })).status).toBe(403)
    await admin.call('PUT', `/keys/${id}`, { isActive: false })
    expect((await count(key)).status).toBe(401)
  })

  it('sees an edit that another process made on the next request', async () => {
    const { id, key } = await admin.createKey()
    expect((await count(key)).status).toBe(200)
    const other = createTestGateway({ engine: test.engine })
    await createTestAdmin(other).call('PUT', `/keys/${id}`, {
      enableModelRestriction: true,
      restrictedModels: ['claude-haiku-4-5'],
    })
    expect((await count(key)).status).toBe(403)
    await other.close()
  })

  it('counts the input of a response in the same way', async () => {
    await admin.createAccount({ apiUrl: `${upstream.url}/v1`, apiKey: 'sk-o' }, 'codex')
    const { key } = await admin.createKey()
    const response = await ask('POST', '/openai/v1/responses/input_tokens', key, {
      model: 'gpt-5',
      input: 'hi',
    })
    expect(response.status).toBe(200)
    expect(upstream.requests[0]?.path).toBe('/v1/responses/input_tokens')
  })
})

describe('a stored response', () => {
  let key: string
  let issuer: string

  beforeEach(async () => {
    for (const name of ['a', 'b', 'c']) {
      await admin.createAccount(
        { apiUrl: `${upstream.url}/v1`, name, apiKey: `sk-${name}` },
        'codex',
      )
    }
    ;({ key } = await admin.createKey())
    upstream.respond(responsesJson({ id: 'resp_one' }))
    const made = await ask('POST', '/openai/v1/responses', key, { model: 'gpt-5', input: 'hi' })
    expect(made.status).toBe(200)
    await test.deferred()
    issuer = askedOf()[0] ?? ''
    upstream.requests.length = 0
    upstream.respond(json(200, { id: 'resp_one', object: 'response', error: null }))
  })

  it.each([
    ['GET', '/openai/v1/responses/resp_one?include=a', '/v1/responses/resp_one?include=a'],
    ['DELETE', '/openai/responses/resp_one', '/v1/responses/resp_one'],
    ['POST', '/v1/responses/resp_one/cancel', '/v1/responses/resp_one/cancel'],
    ['GET', '/openai/v1/responses/resp_one/input_items', '/v1/responses/resp_one/input_items'],
  ])('is asked for with %s %s of the account that issued it', async (method, path, asked) => {
    const response = await ask(method, path, key)
    expect(response.status).toBe(200)
    expect(upstream.requests).toMatchObject([{ method, path: asked, credential: issuer }])
  })

  it('that this key did not make is not found, and no account is asked', async () => {
    const { key: other } = await admin.createKey()
    for (const [asker, id] of [
      [key, 'resp_two'],
      [other, 'resp_one'],
      [key, '..%2Fmodels'],
    ]) {
      const response = await ask('GET', `/openai/v1/responses/${id}`, asker ?? '')
      expect(response.status).toBe(404)
      expect(await errorOf(response)).toMatchObject({ code: 'not_found' })
    }
    expect(upstream.requests).toEqual([])
  })

  it('of an account that is gone is answered at once, and no other account is asked', async () => {
    const { data } = (await admin.call('GET', '/accounts/codex')).json
    const { id } = data.find(({ name }: { name: string }) => `sk-${name}` === issuer)
    await admin.call('PUT', `/accounts/codex/${id}`, { isActive: false })
    const response = await ask('GET', '/openai/v1/responses/resp_one', key)
    expect(response.status).toBe(404)
    expect((await errorOf(response)).message).toContain('not available any more')
    expect(upstream.requests).toEqual([])
  })

  it('is refused in the words of the upstream', async () => {
    const refusal = { error: { message: 'Response not found', type: 'invalid_request_error' } }
    upstream.respond(json(404, refusal))
    const response = await ask('GET', '/openai/v1/responses/resp_one', key)
    expect(response.status).toBe(404)
    expect(await errorOf(response)).toEqual(refusal.error)
    expect(askedOf()).toEqual([issuer])
  })
})
