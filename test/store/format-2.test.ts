/** A store of format 2, opened by this gateway: keys and usage as they were, rolled up or not. */
import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { rollUp } from '../../src/ledger/roll-up.ts'
import { packSums, unpackSums } from '../../src/store/records/sums.ts'
import { dimensions } from '../../src/store/records/usage-row.ts'
import { createTestAdmin, createTestGateway, type TestGateway } from '../support/gateway.ts'
import { usageBy } from './scripts/setup.ts'
import { openStore, storeNames, type TestStore } from './stores.ts'

const Fixture = z.object({
  nowMs: z.number(),
  stats: z.record(z.string(), z.unknown()),
  /** Packed sums by name, by dimension. */
  usage: z.record(z.enum(dimensions), z.record(z.string(), z.string())),
  commands: z.array(z.array(z.union([z.string(), z.number()]))),
})

describe.each(storeNames)('a store of format 2 on %s', (name) => {
  const written = Fixture.parse(
    JSON.parse(readFileSync(new URL('format-2.json', import.meta.url), 'utf8')),
  )
  let store: TestStore
  let test: TestGateway

  beforeEach(async () => {
    store = await openStore(name)
    store.advance(written.nowMs - store.nowMs())
    for (const command of written.commands) {
      const { error } = await store.engine.request({ body: command.map(String) })
      expect(error).toBeUndefined()
    }
    test = createTestGateway({ engine: store.engine, now: store.nowMs })
  })
  afterEach(async () => {
    await test.close()
    await store.engine.close()
  })

  const redis = () => test.runtime.redis
  const keyspace = () => test.gateway.keyspace

  async function expectUsage() {
    for (const dimension of dimensions) {
      const entries = Object.entries(written.usage[dimension])
      // Later versions have more sums at the end.
      const wanted = entries.map(([key, packed]) => [key, packSums(unpackSums(packed))])
      const found = await usageBy(redis(), keyspace(), store.nowMs(), dimension)
      expect(found, dimension).toEqual(Object.fromEntries(wanted))
    }
  }

  it('keeps the statistics of its keys', async () => {
    const admin = createTestAdmin(test)
    for (const [keyId, stats] of Object.entries(written.stats)) {
      expect((await admin.call('GET', `/keys/${keyId}/stats`)).json).toMatchObject(Object(stats))
    }
  })

  it('keeps its usage by key, account, model and client, before and after a roll-up', async () => {
    await expectUsage()
    store.advance(60 * 60 * 1_000)
    expect(await rollUp(redis(), keyspace())).toBe(1)
    await expectUsage()
  })
})
