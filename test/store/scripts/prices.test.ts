/** The contract of writing prices: all or none, seen by every host, and made from the present catalog. */
import { expect, it } from 'vitest'
import { writeAccountScript } from '../../../src/store/scripts/catalog.ts'
import { writePricesScript } from '../../../src/store/scripts/prices.ts'
import { describeOnStores } from './setup.ts'

describeOnStores('writing prices', (bench) => {
  const field = (name: string) => bench().redis.hget<string>(bench().keyspace.pool, name)
  const version = async () => String((await field('version')) ?? '0')
  const write = async (prices: Record<string, string | undefined>, expectedVersion?: string) =>
    writePricesScript(bench().redis, bench().keyspace, {
      expectedVersion: expectedVersion ?? (await version()),
      prices: Object.entries(prices).map(([name, record]) => ({ field: name, record })),
      entry: `1 ${JSON.stringify(prices)}`,
    })
  const entries = () => bench().redis.zcard(bench().keyspace.audit)

  it('sets and removes them in one step, with a new version of the pool and one audit entry', async () => {
    expect(await write({ 'price:|a': '{"n":1}', 'price:|b': '{"n":2}' }, '0')).toBe('ok')
    const first = await version()
    expect(await write({ 'price:|a': undefined, 'price:|c': '{"n":3}' })).toBe('ok')
    expect(Number(await version())).toBeGreaterThan(Number(first))
    expect(await Promise.all(['price:|a', 'price:|b', 'price:|c'].map(field))).toEqual([
      ...[null, '{"n":2}', '{"n":3}'],
    ])
    expect(await entries()).toBe(2)
  })

  it('answers conflict to a change that was made from an older catalog, and writes nothing', async () => {
    await write({ 'price:|a': '{"n":1}' }, '0')
    const old = await version()
    const account = { accountId: 'a', expectedRevision: 0, record: '{}' }
    await writeAccountScript(bench().redis, bench().keyspace, account)
    expect(await write({ 'price:|a': '{"n":2}' }, old)).toBe('conflict')
    expect([await field('price:|a'), await entries()]).toEqual(['{"n":1}', 1])
  })

  it('takes as many as may be set at once', async () => {
    const many = Array.from({ length: 500 }, (_, i) => [`price:|m${i}`, 'x'.repeat(400)] as const)
    expect(await write(Object.fromEntries(many), '0')).toBe('ok')
    expect(await field('price:|m499')).toHaveLength(400)
  })
})
