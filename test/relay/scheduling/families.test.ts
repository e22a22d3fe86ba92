/** Models that share nothing do not rest for each other. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createTestAdmin, createTestGateway, type TestGateway } from '../../support/gateway.ts'
import { anthropicJson, json, startUpstream, type Upstream } from '../../support/upstream.ts'

let upstream: Upstream
let gateway: TestGateway
let admin: ReturnType<typeof createTestAdmin>
let key: string

beforeEach(async () => {
  upstream = await startUpstream()
  gateway = createTestGateway()
  admin = createTestAdmin(gateway)
  ;({ key } = await admin.createKey())
})
afterEach(async () => {
  await gateway.close()
  await upstream.close()
})

const ask = async (model: string) => {
  const response = await gateway.app.request('/v1/messages', {
    method: 'POST',
    headers: { 'x-api-key': key, 'content-type': 'application/json' },
    body: JSON.stringify({ model, messages: [] }),
  })
  await response.text()
  await gateway.deferred()
  return response.status
}
const limited = json(429, { type: 'error' }, { 'retry-after': '60' })

it.each([
  ['an account for every model', [], 'glm-4.6', 'kimi-k2', 'glm'],
  ['an account for some models', ['acme-1', 'apex-1'], 'acme-1', 'apex-1', 'acme'],
  ['an account with other names', { a: 'x/acme-1', b: 'x/apex-1' }, 'a', 'b', 'acme'],
] as const)('on %s', async (_, supportedModels, limitedModel, otherModel, family) => {
  const { id } = await admin.createAccount({ apiUrl: upstream.url, supportedModels })
  upstream.respond(limited, anthropicJson())
  expect(await ask(limitedModel)).toBe(429)
  expect(await ask(otherModel)).toBe(200)
  expect(await ask(limitedModel)).toBe(429)
  expect(upstream.requests).toHaveLength(2)
  const path = `/accounts/claude-console/${id}`
  const { health } = (await admin.call('GET', path)).json
  expect(health.cooldowns).toMatchObject([{ models: family, reason: 'rate_limited' }])
  const { reasons } = (await admin.call('GET', `${path}/availability`)).json
  expect(reasons).toMatchObject([{ models: family }])
  expect(gateway.logged('account_cooling')).toMatchObject([{ family }])
  expect((await admin.call('POST', `${path}/reset-rate-limit`)).status).toBe(200)
  expect(await ask(limitedModel)).toBe(200)
})

it('names that callers invent share one family', async () => {
  await admin.createAccount({ apiUrl: upstream.url })
  upstream.respond(limited, anthropicJson())
  expect(await ask('invented-1')).toBe(429)
  expect(await ask('made-up-1')).toBe(429)
  expect(upstream.requests).toHaveLength(1)
})
