/** A refusal that depends on the account is shown only when all accounts refuse so. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readAnswer, readFixture } from '../support/fixtures.ts'
import { createTestAdmin, createTestGateway, type TestGateway } from '../support/gateway.ts'
import {
  anthropicJson,
  anthropicStream,
  type Behaviour,
  bytes,
  json,
  startUpstream,
  type Upstream,
} from '../support/upstream.ts'

let upstream: Upstream
let gateway: TestGateway
let admin: ReturnType<typeof createTestAdmin>
let key: string

beforeEach(async () => {
  upstream = await startUpstream()
  gateway = createTestGateway()
  admin = createTestAdmin(gateway)
  for (const name of ['a', 'b']) {
    await admin.createAccount({ apiUrl: upstream.url, name, apiKey: `sk-ant-${name}` })
  }
  ;({ key } = await admin.createKey())
})
afterEach(async () => {
  await gateway.close()
  await upstream.close()
})

const send = (fields: object = {}) =>
  gateway.app.request('/v1/messages', {
    method: 'POST',
    headers: { 'x-api-key': key, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'claude-sonnet-4-6', messages: [], ...fields }),
  })
const recorded = (name: string): Behaviour => {
  const { status, headers, body } = readAnswer(name)
  return bytes(status, headers, Buffer.from(body))
}
const coolingAccounts = async () => {
  const { json: page } = await admin.call('GET', '/accounts/claude-console')
  const statuses = page.data.map(({ health }: { health: { status: string } }) => health.status)
  return statuses.filter((status: string) => status !== 'healthy').length
}

const resetHealth = async () => {
  const { json: page } = await admin.call('GET', '/accounts/claude-console')
  for (const account of page.data)
    await admin.call('POST', `/accounts/claude-console/${account.id}/reset-rate-limit`)
}

describe('a refusal that depends on the account', () => {
  it.each([
    'F07a-400-error-list.http',
    'F07d-400-model_not_found.http',
    'F07f-413-page.http',
    'F07h-400-long-context.http',
  ])('moves the request on to the next account, and none cools down: %s', async (name) => {
    upstream.respond(recorded(name), anthropicJson())
    expect((await send()).status).toBe(200)
    expect(upstream.requests).toHaveLength(2)
    expect(await coolingAccounts()).toBe(0)
  })

  it.each(['F07a-400-error-list.http', 'F07d-400-model_not_found.http'])(
    'is shown as it is when all accounts refuse so: %s',
    async (name) => {
      upstream.respond(recorded(name))
      const response = await send()
      expect(response.status).toBe(400)
      expect(await response.text()).toBe(readAnswer(name).body)
      expect(upstream.requests).toHaveLength(2)
      await gateway.deferred()
      expect(gateway.logged('unserved')).toMatchObject([{ end: 'refused' }])
      expect(await coolingAccounts()).toBe(0)
    },
  )

  it('is a 429 of the fast mode: shown with its wait, and the account serves at standard speed', async () => {
    const error = { type: 'rate_limit_error', message: 'Fast mode is used up' }
    const fast = { 'anthropic-fast-input-tokens-remaining': '0', 'retry-after': '1800' }
    upstream.respond(json(429, { type: 'error', error }, fast))
    const response = await send({ speed: 'fast' })
    expect(response.status).toBe(429)
    expect(await response.json()).toMatchObject({ error })
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(1_700)
    expect([...response.headers.keys()].filter((name) => name.startsWith('anthropic-'))).toEqual([])
    expect(upstream.requests).toHaveLength(2)
    await gateway.deferred()
    expect(await coolingAccounts()).toBe(0)
    upstream.respond(anthropicJson())
    expect((await send()).status).toBe(200)
  })

  it('is said in the gateway’s words when it is a page', async () => {
    upstream.respond(recorded('F07f-413-page.http'))
    const response = await send()
    expect(response.status).toBe(413)
    expect(await response.json()).toMatchObject({ error: { type: 'request_too_large' } })
  })

  it('is not shown when another account failed in another way', async () => {
    Object.assign(gateway.runtime.config, { SOLE_ACCOUNT_RETRY_SECONDS: 0 })
    upstream.respond(recorded('F07d-400-model_not_found.http'), json(500, {}))
    const response = await send()
    expect(response.status).toBeGreaterThanOrEqual(500)
    expect(upstream.requests).toHaveLength(2)
  })
})

it('a mistake of the caller is shown at once', async () => {
  const error = {
    type: 'invalid_request_error',
    message: 'prompt is too long: 9 tokens > 8 maximum',
  }
  upstream.respond(json(400, { type: 'error', error }))
  expect(await (await send()).json()).toEqual({ type: 'error', error })
  expect(upstream.requests).toHaveLength(1)
})

describe('content that only one account can open', () => {
  const body = () => JSON.parse(readFixture('cases/F08-request.json'))
  const refusesSignature = recorded('F08-answer-of-B.http')
  const error = { type: 'error', error: { type: 'overloaded_error' } }
  const overloaded = json(529, error, { 'retry-after': '60' })

  it('ends no session: while its account cools down, the client is asked to repeat', async () => {
    const impatient = { ACCOUNT_WAIT_SECONDS: 0, SOLE_ACCOUNT_RETRY_SECONDS: 0 }
    Object.assign(gateway.runtime.config, impatient)
    upstream.behave('sk-ant-a', anthropicStream(), overloaded, anthropicStream())
    upstream.behave('sk-ant-b', refusesSignature)
    expect((await send(body())).status).toBe(200)
    await gateway.deferred()
    for (const _ of ['while it is overloaded', 'while it cools down']) {
      const response = await send(body())
      expect([429, 502, 503, 529]).toContain(response.status)
      expect(response.headers.get('x-should-retry')).not.toBe('false')
      await gateway.deferred()
    }
    await resetHealth()
    const response = await send(body())
    expect(await response.text()).toContain('message_stop')
    expect(upstream.requests.at(-1)?.credential).toBe('sk-ant-a')
  })

  it('is refused verbatim when no account can open it', async () => {
    upstream.respond(refusesSignature)
    const response = await send(body())
    expect(response.status).toBe(400)
    expect(await response.text()).toBe(readAnswer('F08-answer-of-B.http').body)
    expect(upstream.requests).toHaveLength(2)
  })
})
