import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  createTestAdmin,
  createTestGateway,
  read,
  type TestAdmin,
  type TestGateway,
} from '../support/gateway.ts'
import {
  anthropicJson,
  anthropicStream,
  hang,
  json,
  startUpstream,
  type Upstream,
} from '../support/upstream.ts'

const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
const duration = expect.any(Number)
const model = 'claude-sonnet-4-6'
const overloaded = json(529, { type: 'error', error: { type: 'overloaded_error', message: 'no' } })

let upstream: Upstream
let test: TestGateway
let admin: TestAdmin
let accounts: string[]
let keyId: string
let key: string
let aheadMs: number

beforeEach(async () => {
  aheadMs = 0
  upstream = await startUpstream()
  const config = { ACCOUNT_WAIT_SECONDS: '0', SOLE_ACCOUNT_RETRY_SECONDS: '0' }
  test = createTestGateway({ now: () => Date.now() + aheadMs, config })
  admin = createTestAdmin(test)
  accounts = []
  for (const [i, name] of ['a', 'b'].entries()) {
    const fields = { apiUrl: upstream.url, name, apiKey: `sk-ant-${name}`, priority: i + 1 }
    accounts.push((await admin.createAccount(fields)).id)
  }
  ;({ id: keyId, key } = await admin.createKey())
})
afterEach(async () => {
  await test.close()
  await upstream.close()
})

const send = async (fields: object = {}, headers: Record<string, string> = {}, init = {}) =>
  test.app.request('/v1/messages', {
    method: 'POST',
    headers: { 'x-api-key': key, 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ model, max_tokens: 10, messages: [], ...fields }),
    ...init,
  })
/** Sends a request, reads its answer to the end, and returns the id that it carried. */
async function ask(...request: Parameters<typeof send>) {
  const { status, headers: answered } = await read(await send(...request))
  await test.deferred()
  return { status, id: answered.get('x-request-id') ?? '' }
}
const show = async (id: string) => {
  const { status, json: view, text } = await admin.call('GET', `/requests/${id}`)
  expect(status, text).toBe(200)
  return view
}
const attempt = (index: number, fields: object) => ({
  accountId: accounts[index],
  model,
  afterMs: duration,
  tookMs: duration,
  status: 200,
  cooldownUntil: null,
  ...fields,
})

describe('GET /requests/:id', () => {
  it('tells every attempt of a request that was served by the second account', async () => {
    upstream.behave('sk-ant-a', overloaded)
    const { id } = await ask()
    expect(await show(id)).toEqual({
      requestId: id,
      ledgerId: id,
      state: 'served',
      keyId,
      platform: 'claude-console',
      model,
      accountId: accounts[1],
      receivedAt: time,
      endedAt: time,
      tookMs: duration,
      queuedMs: 0,
      stream: false,
      affinity: 'none',
      end: 'complete',
      refusal: null,
      passedOver: [],
      attempts: [
        attempt(0, { outcome: 'overloaded', status: 529, cooldownUntil: time }),
        attempt(1, { outcome: 'answer' }),
      ],
      usage: {
        inputTokens: 12,
        outputTokens: 7,
        cacheCreateTokens: 0,
        cacheCreate5mTokens: 0,
        cacheCreate1hTokens: 0,
        cacheReadTokens: 0,
        webSearchRequests: 0,
      },
      costUsd: 0.000141,
      estimated: false,
      bill: {
        listCostUsd: 0.000141,
        factors: { servedModel: model },
        parts: [
          {
            model,
            source: 'list',
            table: expect.stringMatching(/^genai-prices-/),
            isFast: false,
            percents: [],
            multiplier: 1,
            lines: [
              { kind: 'input', units: 12, rate: 3, costUsd: 0.000036 },
              { kind: 'output', units: 7, rate: 15, costUsd: 0.000105 },
            ],
          },
        ],
      },
    })
  })

  it('tells why accounts were passed over, and until when', async () => {
    const tooMany = { type: 'error', error: { type: 'rate_limit_error', message: 'no' } }
    upstream.behave('sk-ant-a', json(429, tooMany, { 'retry-after': '60' }))
    const off = await admin.createAccount({ apiUrl: upstream.url, isActive: false })
    await ask()
    const { passedOver, attempts, affinity } = await show((await ask()).id)
    expect(passedOver).toHaveLength(2)
    expect(passedOver).toContainEqual({ accountId: off.id, why: 'inactive', until: null })
    expect(passedOver).toContainEqual({ accountId: accounts[0], why: 'rate_limited', until: time })
    expect(attempts).toEqual([attempt(1, { outcome: 'answer' })])
    expect(affinity).toBe('none')
  })

  it('tells how a session came to its account', async () => {
    const session = { 'x-claude-code-session-id': 'one' }
    expect((await show((await ask({}, session)).id)).affinity).toBe('started')
    expect((await show((await ask({}, session)).id)).affinity).toBe('primary')
    upstream.behave('sk-ant-a', overloaded)
    expect((await show((await ask({}, session)).id)).affinity).toBe('moved')
  })

  it('shows what no account could take, and one that every account failed', async () => {
    upstream.respond(overloaded)
    const failed = await show((await ask()).id)
    const nothing = {
      state: 'rejected',
      accountId: null,
      usage: null,
      costUsd: 0,
      estimated: false,
    }
    expect(failed).toMatchObject({ ...nothing, end: 'failed', keyId, model, passedOver: [] })
    expect(failed.attempts).toEqual(
      [0, 1].map((i) => attempt(i, { outcome: 'overloaded', status: 529, cooldownUntil: time })),
    )
    const { id, status } = await ask({}, { 'x-request-id': 'mine' })
    expect([id, status]).toEqual(['mine', 529])
    const rejected = await show('mine')
    expect(rejected).toMatchObject({ ...nothing, end: 'rejected', attempts: [], requestId: 'mine' })
    expect(rejected).toMatchObject({ keyId, model, platform: 'claude-console', endedAt: time })
    expect(rejected.refusal).toEqual({ code: 'accounts_overloaded', message: expect.any(String) })
    expect(rejected.passedOver).toEqual(
      accounts.map((accountId) => ({ accountId, why: 'overloaded', until: time })),
    )
  })

  it("shows that a refusal for the caller's own fault cost nothing, and where it came from", async () => {
    upstream.respond(json(400, { type: 'error', error: { type: 'invalid_request_error' } }))
    expect(await show((await ask()).id)).toMatchObject({
      state: 'rejected',
      end: 'refused',
      accountId: accounts[0],
      attempts: [attempt(0, { outcome: 'refusal', status: 400 })],
      usage: null,
      costUsd: 0,
    })
  })

  it('shows a stream that was cut, and one whose client left, with their estimates', async () => {
    upstream.respond(anthropicStream({ cutAfterEvents: 5 }))
    const cut = await show((await ask({ stream: true })).id)
    const streamed = { state: 'served', stream: true, accountId: expect.any(String) }
    expect(cut).toMatchObject({ ...streamed, end: 'upstream_truncated', estimated: true })
    expect(cut.usage.inputTokens).toBe(12)

    upstream.respond(anthropicStream({ stallAfterEvents: 5 }))
    const response = await send({ stream: true })
    const reader = response.body?.getReader()
    await reader?.read()
    const id = response.headers.get('x-request-id') ?? ''
    const running = { state: 'running', keyId, model, endedAt: null, tookMs: null, end: null }
    expect(await show(id)).toMatchObject({
      ...running,
      accountId: expect.any(String),
      platform: 'claude-console',
      receivedAt: time,
      attempts: [],
      usage: null,
      costUsd: null,
      estimated: false,
    })
    await reader?.cancel()
    await test.deferred()
    expect(await show(id)).toMatchObject({ ...streamed, end: 'client_aborted', estimated: true })
  })

  it('tells the latest request that a client gave a name, and each by its ledger id', async () => {
    const named = { 'x-request-id': 'retry-1=a_b' }
    await ask({}, named)
    const first = await show('retry-1=a_b')
    upstream.respond(overloaded)
    await ask({}, named)
    const second = await show('retry-1=a_b')
    expect([first.end, second.end]).toEqual(['complete', 'failed'])
    expect(second.ledgerId).not.toBe(first.ledgerId)
    expect(await show(first.ledgerId)).toEqual(first)
    expect(await show(second.ledgerId)).toEqual(second)
  })

  it('lets no client hide a request by giving its id to another', async () => {
    const { id } = await ask()
    const before = await show(id)
    await ask({ model: 'claude-haiku-4-5' }, { 'x-request-id': id })
    expect(await show(id)).toEqual(before)
  })

  it('records a request whose process ended before it, and shows it as an estimate', async () => {
    upstream.respond(hang())
    const leave = new AbortController()
    const lost = ask({}, {}, { signal: leave.signal })
    await expect.poll(() => upstream.requests.length).toBe(1)
    const [lease = ''] = await test.runtime.redis.zrange<string[]>(
      test.gateway.keyspace.poolLeases('claude-console'),
      0,
      0,
    )
    const [id = ''] = lease.split('|')
    expect((await show(id)).state).toBe('running')
    aheadMs = 3_600_000
    const orphan = await show(id)
    expect(orphan).toMatchObject({ state: 'orphaned', keyId, model, accountId: accounts[0] })
    expect(orphan).toMatchObject({ usage: null, estimated: true, end: null, endedAt: time })
    expect(orphan.costUsd).toBeGreaterThan(0)
    leave.abort()
    await lost
    // The receipt came after all.
    expect(await show(id)).toMatchObject({ state: 'served', end: 'client_aborted' })
  })

  it('forgets a request that no account could take after an hour, and any other later', async () => {
    upstream.respond(anthropicJson(), overloaded)
    const ids = [await ask(), await ask(), await ask({}, { 'x-request-id': 'mine' })]
    const statuses = () =>
      Promise.all(ids.map(async ({ id }) => (await admin.call('GET', `/requests/${id}`)).status))
    expect(await statuses()).toEqual([200, 200, 200])
    aheadMs = 3_600_001
    expect(await statuses()).toEqual([200, 200, 404])
    aheadMs = 2 * 24 * 3_600_000 + 1_000
    expect(await statuses()).toEqual([404, 404, 404])
  })
})
