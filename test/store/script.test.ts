/** The contract of scripts that are called by name, on every store. */
import { expect, it } from 'vitest'
import { migrate } from '../../src/store/migrate.ts'
import { runScript } from '../../src/store/run-script.ts'
import { readSchema, schemaVersion } from '../../src/store/schema.ts'
import { defineScript } from '../../src/store/script.ts'
import { oneOf } from '../../src/store/script-declaration.ts'
import { describeOnStores } from './scripts/setup.ts'

const echo = defineScript({
  keys: ['first', 'second'],
  keyRows: { more: ['left', 'right'] },
  args: { word: 'text', count: 'number', isSet: 'flag', nested: { one: 'text', two: 'number' } },
  argRows: { rows: { name: 'text', size: 'number' } },
  replies: {
    echoed: {
      words: 'text',
      keys: 'texts',
      sum: 'number',
      isSet: 'flag',
      kind2: oneOf(['small', 'large']),
      rows: [{ name: 'text', size: 'number' }],
    },
    empty: {},
  },
  lua: `
if args.word == '' then return reply.empty({}) end
local names = { keys.first, keys.second }
for _, pair in ipairs(keys.more) do names[#names + 1] = pair.left .. '+' .. pair.right end
local sum = args.count + args.nested.two
for _, row in ipairs(args.rows) do sum = sum + row.size end
return reply.echoed({ isSet = args.isSet, sum = sum, rows = args.rows, keys = names,
  kind2 = sum > 9 and 'large' or args.word == 'wrong' and 'strange' or 'small', words = args.word .. ' ' .. args.nested.one })
`,
})

const blank = { word: '', count: 0, isSet: false, nested: { one: '', two: 0 }, rows: [] }

describeOnStores('a script', (bench) => {
  const run = (given: { word?: string; rows?: { name: string; size: number }[] } = {}) =>
    runScript(bench().redis, bench().keyspace, echo, {
      keys: {
        second: 's',
        first: 'f',
        more: [
          { right: 'r1', left: 'l1' },
          { left: 'l2', right: 'r2' },
        ],
      },
      args: {
        rows: [{ size: 3, name: 'three' }],
        nested: { two: 2, one: 'one' },
        isSet: true,
        count: 1,
        word: 'word',
        ...given,
      },
    })

  it('gets its keys and arguments by name, in whatever order the caller gives them', async () => {
    expect(await run()).toEqual({
      kind: 'echoed',
      words: 'word one',
      keys: ['f', 's', 'l1+r1', 'l2+r2'],
      sum: 6,
      isSet: true,
      kind2: 'small',
      rows: [{ name: 'three', size: 3 }],
    })
  })

  it('takes a list of any length, none included', async () => {
    const rows = Array.from({ length: 500 }, (_, size) => ({ name: `row ${size}`, size }))
    expect(await run({ rows })).toMatchObject({ sum: 124_753, rows, kind2: 'large' })
    expect(await run({ rows: [] })).toMatchObject({ sum: 3, rows: [] })
    expect(await run({ word: '' })).toEqual({ kind: 'empty' })
  })

  it('refuses a reply that does not have the declared form', async () => {
    await expect(run({ word: 'wrong' })).rejects.toThrow('in a form that it does not have')
  })

  it('touches nothing in a store of another format, and says which side is older', async () => {
    const { redis, keyspace } = bench()
    for (const [schema, message] of [
      [
        String(schemaVersion + 1),
        /format \d+, which is newer than this gateway \(format \d+\); upgrade this gateway/,
      ],
      ['0', /older format/],
      [`${schemaVersion + 1} converting`, /newer than this gateway/],
    ] as const) {
      await redis.hset(keyspace.pool, { schema })
      await expect(run()).rejects.toMatchObject({
        code: 'store_incompatible',
        status: 503,
        message: expect.stringMatching(message),
      })
    }
    await redis.hset(keyspace.pool, { schema: String(schemaVersion) })
    expect(await run()).toMatchObject({ kind: 'echoed' })
  })

  it('runs after an older store was converted, whichever script meets it first', async () => {
    const { redis, keyspace } = bench()
    const old = String(schemaVersion - 1)
    await redis.hset(keyspace.pool, { schema: old })
    const ran: string[] = []
    const target = schemaVersion
    const step = { to: target, run: async () => void ran.push('converted') }
    const input = { keys: { first: 'f', second: 's', more: [] }, args: blank }
    const convert = async () => migrate(redis, keyspace, readSchema(old), { target, steps: [step] })
    expect(await runScript(redis, keyspace, echo, input, convert)).toEqual({ kind: 'empty' })
    expect([ran, await redis.hget(keyspace.pool, 'schema')]).toEqual([
      ['converted'],
      String(target),
    ])
  })
})
