/** A store in which the records of one account are damaged: another account goes on serving. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { bucketsAt } from '../../src/ledger/calendar.ts'
import { createTestAdmin, createTestGateway, type TestGateway } from '../support/gateway.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let gateway: TestGateway
let admin: ReturnType<typeof createTestAdmin>
beforeEach(async () => {
  upstream = await startUpstream()
  gateway = createTestGateway()
  admin = createTestAdmin(gateway)
})
afterEach(async () => {
  await gateway.close()
  await upstream.close()
})

it('serves, lists and charges the other accounts, and reports the damaged one', async () => {
  const { id: damaged } = await admin.createAccount({ apiUrl: upstream.url, priority: 1 })
  const { id: whole } = await admin.createAccount({ apiUrl: upstream.url })
  const { id, key } = await admin.createKey()
  const { keyspace } = gateway.gateway
  const { redis } = gateway.runtime
  const pool = 'claude-console'
  const text = '9'.repeat(400)
  await redis.hset(keyspace.pool, { [`account:${damaged}`]: '1 {"id":' })
  await redis.hset(keyspace.health(pool), {
    [damaged]: `${text}|1|1|x`,
    [`${damaged}/other`]: '1|1',
  })
  await redis.hset(keyspace.load(pool), { [damaged]: 'inf|nan|1||' })
  const { hourId } = bucketsAt(gateway.runtime.now(), 'UTC')
  await redis.hset(keyspace.usage.openHour(hourId), { [`${id}|${damaged}|x||y`]: 'garbage' })
  await redis.zadd(keyspace.poolLeases(pool), { score: 1, member: 'garbage' })
  await redis.zadd(keyspace.audit, { score: 0, member: 'garbage' })

  const send = async () =>
    gateway.app.request('/v1/messages', {
      method: 'POST',
      headers: { 'x-api-key': key, 'content-type': 'application/json' },
      body: '{"model":"claude-x","messages":[]}',
    })
  for (let i = 0; i < 3; i++) {
    expect((await send()).status).toBe(200)
    await gateway.deferred()
  }
  const list = await admin.call('GET', '/accounts/claude-console')
  expect(list.json.data.map(({ id }: { id: string }) => id)).toEqual([whole])
  expect((await admin.call('GET', `/accounts/claude-console/${whole}/availability`)).status).toBe(
    200,
  )
  expect((await admin.call('GET', '/audit')).json.data.length).toBeGreaterThan(0)
  expect((await admin.call('GET', `/keys/${id}/stats`)).json.total.requests).toBe(3)
  expect(gateway.logged('account_unreadable')[0]).toMatchObject({ accountId: damaged })
  expect(gateway.logged('orphan_unreadable')).toMatchObject([{ member: 'garbage' }])
})
