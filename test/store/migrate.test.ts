/** Migrations: any host brings an older store to its format, and no other gateway gets in between. */
import type { Redis } from '@upstash/redis'
import { expect, it } from 'vitest'
import { createCatalog } from '../../src/catalog/catalog.ts'
import type { Keyspace } from '../../src/store/keyspace.ts'
import { type Migration, migrate } from '../../src/store/migrate.ts'
import { readSchema } from '../../src/store/schema.ts'
import { callScript, defineScript } from '../../src/store/script.ts'
import { describeOnStores } from './scripts/setup.ts'

/** Formats of a test: each step notes that it ran, and how the store called itself meanwhile. */
function createSteps() {
  const ran: string[] = []
  const step = (to: number): Migration => ({
    to,
    async run(redis: Redis, keyspace: Keyspace) {
      ran.push(`${to}: ${await redis.hget<string>(keyspace.pool, 'schema')}`)
    },
  })
  return { ran, options: { target: 3, steps: [step(2), step(3)] } }
}

describeOnStores('a migration', (bench) => {
  const schemaOf = () => bench().redis.hget<string>(bench().keyspace.pool, 'schema')
  const setSchema = (schema: string) => bench().redis.hset(bench().keyspace.pool, { schema })
  const run = async (options: Parameters<typeof migrate>[3]) =>
    migrate(bench().redis, bench().keyspace, readSchema(await schemaOf()), options)

  it('leads step by step from a store that names no format, which is format 1', async () => {
    const { ran, options } = createSteps()
    expect(await run(options)).toBe(true)
    expect(ran).toEqual(['2: 2 converting', '3: 3 converting'])
    expect(await schemaOf()).toBe('3')
    expect(await run(options)).toBe(false)
    expect(ran).toHaveLength(2)
  })

  it('that stopped half-way is done again by the next host', async () => {
    const { ran, options } = createSteps()
    await setSchema('2 converting')
    expect(await run(options)).toBe(true)
    expect(ran).toEqual(['2: 2 converting', '3: 3 converting'])
    expect(await schemaOf()).toBe('3')
  })

  it('by a slow host takes nothing back from a faster and newer one', async () => {
    const { options } = createSteps()
    const slow: Migration = {
      to: 2,
      run: async () => {
        await run(options)
      },
    }
    const refusal = { code: 'store_incompatible' }
    await expect(run({ target: 2, steps: [slow] })).rejects.toMatchObject(refusal)
    expect(await schemaOf()).toBe('3')
  })

  it('by a host that starts late does nothing to a store that is converted already', async () => {
    const { ran, options } = createSteps()
    await setSchema('3')
    expect(await migrate(bench().redis, bench().keyspace, readSchema('1'), options)).toBe(true)
    expect([ran, await schemaOf()]).toEqual([[], '3'])
  })

  it('whose step is overtaken ends with what the faster host has made', async () => {
    const { ran, options } = createSteps()
    const { redis, keyspace } = bench()
    const mark = defineScript({
      keys: [],
      args: {},
      replies: { ok: {} },
      format: '2 converting',
      lua: "redis.call('HSET', keys.pool, 'mark', '1') return reply.ok({})",
    })
    const overtaken: Migration = {
      to: 2,
      run: async () => {
        await run(options)
        await callScript(redis, keyspace, mark, { keys: {}, args: {} })
      },
    }
    await run({ ...options, steps: [overtaken, ...options.steps.slice(1)] })
    expect(await redis.hget(keyspace.pool, 'mark')).toBe(null)
    expect([ran, await schemaOf()]).toEqual([['2: 2 converting', '3: 3 converting'], '3'])
  })

  it('is refused for a store of a newer gateway, and where no step leads on', async () => {
    const { ran, options } = createSteps()
    await setSchema('4')
    await expect(run(options)).rejects.toMatchObject({ code: 'store_incompatible' })
    await setSchema('1')
    const gap = { target: 3, steps: options.steps.slice(1) }
    await expect(run(gap)).rejects.toMatchObject({ code: 'store_incompatible' })
    expect([ran, await schemaOf()]).toEqual([[], '1'])
  })

  it('happens when the catalog is loaded, in the round trip that finds an older store', async () => {
    const { ran, options } = createSteps()
    const { redis, keyspace } = bench()
    await redis.hset(keyspace.pool, { version: '5' })
    const catalog = createCatalog(redis, keyspace, Date.now, (found) =>
      migrate(redis, keyspace, found, options),
    )
    const [one, two] = await Promise.all([catalog.load('digest'), catalog.loadPool()])
    expect([one.pool.version, two.version]).toEqual(['5', '5'])
    expect(new Set(ran)).toEqual(new Set(['2: 2 converting', '3: 3 converting']))
    expect(await schemaOf()).toBe('3')
  })
})
