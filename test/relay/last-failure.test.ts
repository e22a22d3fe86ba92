/** What a vendor says of a failed account reaches administrators and the log, and nobody else. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createTestAdmin, createTestGateway, type TestGateway } from '../support/gateway.ts'
import {
  anthropicJson,
  type Behaviour,
  html,
  json,
  sse,
  startUpstream,
  type Upstream,
} from '../support/upstream.ts'

const credential = 'sk-ant-a-secret-of-this-account'
let nowMs: number
let upstream: Upstream
let gateway: TestGateway
let admin: ReturnType<typeof createTestAdmin>
let accountId: string
let key: string

beforeEach(async () => {
  nowMs = Date.UTC(2026, 10, 25)
  upstream = await startUpstream()
  gateway = createTestGateway({ now: () => nowMs, config: { SOLE_ACCOUNT_RETRY_SECONDS: '0' } })
  admin = createTestAdmin(gateway)
  ;({ id: accountId } = await admin.createAccount({ apiUrl: upstream.url, apiKey: credential }))
  ;({ key } = await admin.createKey())
})
afterEach(async () => {
  await gateway.close()
  await upstream.close()
})

const send = async (stream = false) => {
  const response = await gateway.app.request('/v1/messages', {
    method: 'POST',
    headers: { 'x-api-key': key, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'claude-sonnet-4-6', stream, messages: [] }),
  })
  const text = await response.text()
  await gateway.deferred()
  return { status: response.status, text }
}
const availability = async () => {
  const path = `/accounts/claude-console/${accountId}/availability`
  return (await admin.call('GET', path)).json
}
const errorOf = (type: string, message: string) => ({ type: 'error', error: { type, message } })
const refused = (said: string): Behaviour => json(401, errorOf('authentication_error', said))

it('a refused credential shows the vendor’s sentence in the availability, and in the log as an error', async () => {
  upstream.respond(refused('This organization has been disabled.'))
  const { status, text } = await send()
  expect(status).toBe(503)
  expect(text).not.toContain('organization')
  const { reasons, lastFailure } = await availability()
  expect(reasons).toMatchObject([
    {
      code: 'cooling',
      message: expect.stringMatching(
        /account_refused; .*administrator has to renew it; the vendor said: This organization has been disabled\.$/,
      ),
    },
  ])
  expect(lastFailure).toEqual({
    at: new Date(nowMs).toISOString(),
    reason: 'account_refused',
    status: 401,
    said: 'This organization has been disabled.',
  })
  expect(gateway.logged('account_cooling')).toMatchObject([
    { level: 'error', accountId, said: 'This organization has been disabled.' },
  ])
})

it.each([
  ['a body', (said: string) => json(529, errorOf('overloaded_error', said)), false],
  [
    'a stream that begins with it',
    (said: string) =>
      sse(`event: error\ndata: ${JSON.stringify(errorOf('overloaded_error', said))}\n\n`),
    true,
  ],
] as const)(
  'without the credential and the address, and of a bounded length: in %s',
  async (_, behaviour, stream) => {
    upstream.respond(behaviour(`${credential} at ${upstream.url}/x is busy ${'y'.repeat(100_000)}`))
    await send(stream)
    const { lastFailure } = await availability()
    expect(lastFailure).toMatchObject({ reason: 'overloaded' })
    expect(lastFailure.said).toMatch(/^\[hidden\] at \[hidden\] is busy y+…$/)
    expect(lastFailure.said).toHaveLength(500)
    expect(gateway.lines.join('')).not.toContain(credential)
  },
)

it('the error with which a stream breaks off counts too', async () => {
  const start = 'event: content_block_delta\ndata: {"type":"content_block_delta"}\n\n'
  const error = errorOf('authentication_error', `The key ${credential} was revoked`)
  upstream.respond(sse(`${start}event: error\ndata: ${JSON.stringify(error)}\n\n`))
  await send(true)
  expect((await availability()).lastFailure).toMatchObject({
    reason: 'account_refused',
    status: 200,
    said: 'The key [hidden] was revoked',
  })
})

it('a failure of another kind, of which nothing was said, is not explained by an earlier one', async () => {
  upstream.respond(refused('first'))
  await send()
  nowMs += 60 * 60_000
  upstream.respond(html(502))
  await send()
  const { reasons, lastFailure } = await availability()
  expect(lastFailure).toMatchObject({ status: 401, said: 'first' })
  expect(reasons[0].message).not.toContain('the vendor said')
})

it('stays as the last one when the account answers again, for a week', async () => {
  upstream.respond(json(529, errorOf('overloaded_error', 'busy')), anthropicJson())
  await send()
  nowMs += 60 * 60_000
  expect((await send()).status).toBe(200)
  expect(await availability()).toMatchObject({ available: true, lastFailure: { said: 'busy' } })
  nowMs += 7 * 24 * 60 * 60_000
  expect(await availability()).toEqual({ available: true, reasons: [] })
})

it('the caller’s own mistake is no failure of the account', async () => {
  upstream.respond(json(400, errorOf('invalid_request_error', 'max_tokens: must be at least 1')))
  expect((await send()).status).toBe(400)
  expect(await availability()).toEqual({ available: true, reasons: [] })
})

it('is written behind the answer, and not for each of many failures', async () => {
  await admin.call('PUT', `/accounts/claude-console/${accountId}`, { rateLimitDuration: 1 })
  let writes = 0
  const { request } = gateway.engine
  gateway.engine.request = (asked) => {
    if (JSON.stringify(asked.body).includes('last-failure')) writes++
    return request.call(gateway.engine, asked) as never
  }
  upstream.respond(json(529, errorOf('overloaded_error', 'busy')))
  for (let i = 0; i < 20; i++) {
    await send()
    await admin.call('POST', `/accounts/claude-console/${accountId}/reset-rate-limit`)
  }
  expect(writes).toBe(10)
})

it('a damaged record shows nothing', async () => {
  const { runtime, gateway: parts } = gateway
  for (const text of ['{', '{"atMs":"x"}', 'null']) {
    await runtime.redis.set(parts.keyspace.lastFailure(accountId), text)
    expect(await availability()).toEqual({ available: true, reasons: [] })
  }
})
