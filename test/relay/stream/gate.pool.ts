/** A gateway with a number of accounts in a fixed order, whose store can be looked into. */
import { expect } from 'vitest'
import type { Config } from '../../../src/config.ts'
import { decodeLoad } from '../../../src/store/records/load.ts'
import type { Engine } from '../../../src/store/redis.ts'
import { createTestAdmin, createTestGateway } from '../../support/gateway.ts'
import type { Received } from './gate.answer.ts'
import type { Expected } from './gate.oracle.ts'
import type { Clock } from './gate.player.ts'

const platform = 'claude-console'

export type Pool = Awaited<ReturnType<typeof openPool>>

/** Accounts of `store` that no other pool knows, at one upstream with a credential each. */
export async function openPool(store: Engine, apiUrl: string, accounts: number, clock: Clock) {
  // Each account is asked once, so that the scripts say all.
  const config = { KEY_PREFIX: `pool-${accounts}:`, SOLE_ACCOUNT_RETRY_SECONDS: '0' }
  const gateway = createTestGateway({ engine: store, now: clock.now, config })
  const { keyspace, runtime } = gateway.gateway
  const { redis } = runtime
  const admin = createTestAdmin(gateway)
  const credential = (index: number) => `sk-ant-${accounts}-${index}`
  const ids: string[] = []
  for (let index = 0; index < accounts; index++) {
    const fields = { apiUrl, name: `${index}`, apiKey: credential(index), priority: 10 + index }
    ids.push((await admin.createAccount(fields)).id)
  }
  const { id, key } = await admin.createKey()
  const readTotal = async () => (await admin.call('GET', `/keys/${id}/stats`)).json.total
  let before = await readTotal()

  /** What the last request has added to the usage ledger. */
  const charged = async () => {
    const total = await readTotal()
    const names = ['requests', 'inputTokens', 'outputTokens', 'estimatedRequests']
    return Object.fromEntries(names.map((name) => [name, total[name] - before[name]]))
  }

  const checkLeases = async () => {
    const rows = (await redis.hgetall(keyspace.load(platform))) as unknown as string[]
    const carried = rows.filter((_, index) => index % 2 === 1).map((load) => decodeLoad(load))
    expect(carried.filter((load) => load.inflight !== 0 || load.reservedNanoUsd !== 0)).toEqual([])
    const leases = [keyspace.keyLeases(id), keyspace.poolLeases(platform), keyspace.orphans]
    for (const name of leases) expect(await redis.zcard(name), name).toBe(0)
    const held = await redis.hget(keyspace.keyCounters(id), 'heldNanoUsd')
    expect(Number(held ?? 0)).toBe(0)
  }

  /** Which accounts rest. */
  const rested = async () => {
    const fields: string[] = await redis.hkeys(keyspace.health(platform))
    const names = fields.map((field) => field.split('/')[0] ?? '')
    return [...new Set(names.map((name) => ids.indexOf(name)))].sort()
  }

  const checkTrace = ({ attempts, end, bill }: Expected) => {
    const [line, ...more] = gateway.logged(bill ? 'served' : 'unserved')
    expect(more).toEqual([])
    const traced = attempts.map((attempt, index) => ({ accountId: ids[index], ...attempt }))
    expect(line).toMatchObject({ end, attempts: traced })
    expect(gateway.logged(bill ? 'unserved' : 'served')).toEqual([])
  }

  return {
    credential,
    configure: (settings: Partial<Config>) => Object.assign(runtime.config, settings),
    close: gateway.close,

    /** Sends a message when all is quiet: no account rests. */
    async send(body: string, signal = new AbortController().signal): Promise<Received> {
      gateway.lines.length = 0
      await redis.del(keyspace.health(platform))
      before = await readTotal()
      const response = await gateway.app.request('/v1/messages', {
        method: 'POST',
        headers: { 'x-api-key': key, 'content-type': 'application/json' },
        body,
        signal,
      })
      const { status, headers } = response
      return { status, headers, bytes: Buffer.from(await response.arrayBuffer()) }
    },

    /** However it went, the request was settled once, and holds nothing any more. */
    async checkPeace(): Promise<void> {
      await gateway.deferred()
      const served = gateway.logged('served').length
      expect(served + gateway.logged('unserved').length).toBe(1)
      expect((await charged()).requests).toBe(served)
      await checkLeases()
    },

    /** The request is charged as it was served, holds nothing any more, and its trace tells all. */
    async checkBooks(should: Expected): Promise<void> {
      await gateway.deferred()
      const none = { inputTokens: 0, outputTokens: 0, estimatedRequests: 0 }
      expect(await charged()).toEqual({ requests: should.bill ? 1 : 0, ...(should.bill ?? none) })
      await checkLeases()
      expect(await rested(), 'resting').toEqual(should.resting)
      checkTrace(should)
    },
  }
}
