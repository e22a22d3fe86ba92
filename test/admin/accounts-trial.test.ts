import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { tryAccount } from '../../src/admin/accounts/trial.ts'
import {
  createTestAdmin,
  createTestGateway,
  type TestAdmin,
  type TestGateway,
} from '../support/gateway.ts'
import {
  anthropicJson,
  hang,
  html,
  json,
  reset,
  startUpstream,
  type Upstream,
} from '../support/upstream.ts'

const credential = 'sk-ant-trial-credential'

let upstream: Upstream
let test: TestGateway
let admin: TestAdmin
beforeAll(async () => {
  upstream = await startUpstream()
  test = createTestGateway()
  admin = createTestAdmin(test)
})
afterAll(async () => {
  await test.close()
  await upstream.close()
})
beforeEach(() => upstream.respond(anthropicJson()))

const create = (fields: object = {}, platform = 'claude-console') =>
  admin.createAccount({ apiUrl: `${upstream.url}/base`, apiKey: credential, ...fields }, platform)
const trial = async (account: { id: string }, body?: unknown, platform = 'claude-console') => {
  const { status, json } = await admin.call(
    'POST',
    `/accounts/${platform}/${account.id}/test`,
    body,
  )
  expect(status, JSON.stringify(json)).toBe(200)
  return json
}
const lastRequest = () => {
  const request = upstream.requests.at(-1)
  return { ...request, json: JSON.parse(String(request?.body)) }
}

describe('POST /accounts/:platform/:id/test', () => {
  it('sends one tiny message with the account’s own credential and headers', async () => {
    const account = await create({ userAgent: 'agent/1.0' })
    const count = upstream.requests.length
    expect(await trial(account)).toEqual({
      ok: true,
      status: 200,
      latencyMs: expect.any(Number),
      message: 'The account answered',
    })
    expect(upstream.requests.length).toBe(count + 1)
    const { path, headers, json } = lastRequest()
    expect(path).toBe('/base/v1/messages')
    expect(headers).toMatchObject({
      'x-api-key': credential,
      'user-agent': 'agent/1.0',
      'anthropic-version': '2023-06-01',
    })
    expect(headers).not.toHaveProperty('authorization')
    expect(json).toEqual({
      model: 'claude-haiku-4-5',
      max_tokens: 1,
      messages: [{ role: 'user', content: 'hi' }],
    })
  })

  it('asks for the given model, the first supported one, or what the account renames it to', async () => {
    await trial(await create(), { model: ' claude-opus-4-5 ' })
    expect(lastRequest().json.model).toBe('claude-opus-4-5')
    await trial(await create({ supportedModels: ['m1', 'm2'] }), {})
    expect(lastRequest().json.model).toBe('m1')
    const renaming = await create({ supportedModels: { a: 'vendor/a', b: 'vendor/b' } })
    await trial(renaming, { model: 'b' })
    expect(lastRequest().json.model).toBe('vendor/b')
    const { ok, status, message } = await trial(renaming, { model: 'constructor' })
    expect([ok, status, message]).toEqual([
      false,
      null,
      'The account does not support the model "constructor"',
    ])
  })

  it('sends a codex account a minimal request to {apiUrl}/responses, with a bearer', async () => {
    upstream.respond(json(200, { object: 'response', status: 'completed', output: [] }))
    for (const base of [`${upstream.url}/v1`, `${upstream.url}/v1/responses/`]) {
      const account = await create({ apiUrl: base, apiKey: 'token' }, 'codex')
      expect(await trial(account, {}, 'codex')).toMatchObject({ ok: true, status: 200 })
      expect(lastRequest().path).toBe('/v1/responses')
    }
    const { headers, json: body } = lastRequest()
    expect(headers?.authorization).toBe('Bearer token')
    expect(headers).not.toHaveProperty('anthropic-version')
    expect(body).toMatchObject({ model: 'gpt-5-mini', max_output_tokens: 16, store: false })
  })

  it('takes no body, an empty one and one without a type all for none', async () => {
    const path = `/accounts/claude-console/${(await create()).id}/test`
    expect((await admin.call('POST', path)).json.ok).toBe(true)
    const blank = await admin.call('POST', path, undefined, { 'content-type': 'application/json' })
    expect(blank.json.ok).toBe(true)
  })

  it.each<[unknown, string]>([
    [{ model: '' }, 'model'],
    [{ model: 'x'.repeat(201) }, 'model'],
    [{ modle: 'x' }, 'modle'],
    [[], 'body'],
  ])('refuses the body %j by name', async (body, field) => {
    const path = `/accounts/claude-console/${(await create()).id}/test`
    const answer = await admin.call('POST', path, body)
    expect([answer.status, answer.json.error.issues[0].field]).toEqual([400, field])
  })

  it('tells the upstream’s own words, without addresses and credentials, and cut to length', async () => {
    const host = new URL(upstream.url).host
    const said = `key ${credential} refused by ${upstream.url}/x (${host}), see https://docs.example/a `
    upstream.respond(json(401, { error: { type: 'x', message: said + 'y'.repeat(1000) } }))
    const { ok, status, message } = await trial(await create())
    expect([ok, status, message.length]).toEqual([false, 401, 500])
    expect(message).toMatch(/^key \[hidden\] refused by \[hidden\]/)
    for (const text of [credential, host, 'http', 'docs.example'])
      expect(message).not.toContain(text)
  })

  it.each([
    [
      json(401, { type: 'error', error: { message: 'invalid x-api-key' } }),
      401,
      'invalid x-api-key',
    ],
    [json(429, { error: 'slow down' }), 429, 'slow down'],
    [json(400, { detail: 'Unsupported parameter' }), 400, 'Unsupported parameter'],
    [html(200), 200, 'The upstream answered 200 with text/html, not JSON; check apiUrl'],
    [html(503), 503, 'The upstream answered 503 with text/html, not JSON; check apiUrl'],
    [json(200, { hello: 1 }), 200, /JSON that is no answer of this vendor; check apiUrl$/],
    [json(500, null), 500, /^The upstream answered 500 with JSON/],
    [json(302, {}, { location: 'https://elsewhere.example' }), 302, /^The upstream answered 302/],
  ])('is not ok for what the upstream answers (%#)', async (behaviour, status, message) => {
    upstream.respond(behaviour)
    const answer = await trial(await create())
    expect(answer).toMatchObject({ ok: false, status })
    if (typeof message === 'string') expect(answer.message).toBe(message)
    else expect(answer.message).toMatch(message)
  })

  it('is not ok without an answer: refused, broken off, or too late', async () => {
    // A port that was given back may belong to another test by now; nothing listens on this one.
    const refused = await trial(await create({ apiUrl: 'http://127.0.0.1:1' }))
    expect(refused).toMatchObject({
      ok: false,
      status: null,
      message: 'The connection to the upstream failed (ECONNREFUSED)',
    })
    upstream.respond(reset())
    const account = await create()
    const broken = await trial(account)
    expect(broken.message).toMatch(/^The connection to the upstream failed/)
    upstream.respond(hang())
    const { record } = (await test.gateway.catalog.loadPool()).accounts.get(account.id) ?? {}
    if (!record) throw new Error('no account')
    const late = await tryAccount(test.gateway, record, { timeoutMs: 1_000 })
    expect(late).toMatchObject({ ok: false, status: null })
    expect(late.message).toBe('The upstream did not answer within 1 s')
    expect(await upstream.requests.at(-1)?.aborted).toBe(true)
  })

  it('says when the stored credential cannot be read, and sends nothing', async () => {
    const account = await create()
    const config = { ENCRYPTION_KEY: '11'.repeat(32) }
    const stranger = createTestGateway({ engine: test.engine, config })
    const count = upstream.requests.length
    const path = `/accounts/claude-console/${account.id}/test`
    const { json } = await createTestAdmin(stranger).call('POST', path)
    expect(json).toMatchObject({ ok: false, status: null })
    expect(json.message).toMatch(/set apiKey again/)
    expect(upstream.requests.length).toBe(count)
    await stranger.close()
  })

  it('changes neither health nor usage nor the audit trail, and logs no secret', async () => {
    const account = await create()
    const { redis } = test.runtime
    const { keyspace } = test.gateway
    const entries = await redis.zcard(keyspace.audit)
    upstream.respond(json(529, { error: { message: 'overloaded' } }))
    await trial(account)
    const { json: found } = await admin.call('GET', `/accounts/claude-console/${account.id}`)
    expect(found.health.status).toBe('healthy')
    expect(await redis.exists(keyspace.usage.openHours)).toBe(0)
    expect(await redis.zcard(keyspace.audit)).toBe(entries)
    expect(test.lines.join('\n')).not.toContain(credential)
  })
})
