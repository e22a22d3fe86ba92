/** What the embedded engine keeps in memory, and what is on disk: they never differ for a caller. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEmbeddedEngine } from '../../src/node/engines/embedded/engine.ts'
import { runs } from '../support/property.ts'
import { check, result, send } from './steps.ts'

let directory = ''
let files = 0
const freshPath = () => join(directory, `store-${++files}.sqlite`)

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'memory-'))
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** Reads or changes the file of an engine that is closed. */
function inFile<T>(path: string, use: (database: DatabaseSync) => T): T {
  const database = new DatabaseSync(path)
  try {
    return use(database)
  } finally {
    database.close()
  }
}

const key = fc.constantFrom('a', 'b', 'c')
const name = fc.constantFrom('', 'f', 'g', '\u{1f600}', '\ufffd', 'x'.repeat(700))
const score = fc.constantFrom('-inf', '-1', '0', '1', '1.5', 'inf')
const text = fc.oneof(fc.string(), fc.constantFrom('7', 'y'.repeat(1_500)))
const word = (...words: string[]) => fc.constantFrom(...words)
const steps = fc.array(
  fc.oneof(
    fc.tuple(word('GET', 'HGETALL', 'HKEYS', 'ZCARD', 'ZPOPMIN', 'DEL', 'PTTL', 'EXISTS'), key),
    fc.tuple(word('SET', 'PEXPIRE'), key, word('5', '50', '5000')),
    fc.tuple(word('SET'), key, text, word('PX'), word('5', '5000')),
    fc.tuple(word('HSET', 'HSETNX'), key, name, text),
    fc.tuple(word('HDEL', 'HGET', 'ZREM', 'ZSCORE'), key, name),
    fc.tuple(word('HINCRBY'), key, name, word('1', '-7')),
    fc.tuple(word('ZADD'), key, score, name, score, name),
    fc.tuple(word('ZRANGEBYSCORE', 'ZCOUNT'), key, score, score),
    fc.tuple(word('ZRANGE'), key, word('0', '-2'), word('1', '-1'), word('WITHSCORES', 'REV')),
    fc.tuple(word('later'), word('3', '60')),
  ),
  { maxLength: 60 },
)

/** The order of the fields of a hash is not promised. */
function inOrder(command: string | undefined, entry: Record<string, unknown>): unknown {
  const { result: list } = entry
  if (!Array.isArray(list) || (command !== 'HGETALL' && command !== 'HKEYS')) return entry
  const width = command === 'HKEYS' ? 1 : 2
  const rows = Array.from({ length: list.length / width }, (_, row) =>
    list.slice(row * width, (row + 1) * width).join('='),
  )
  return rows.sort()
}

describe('an engine with less memory than data', () => {
  it('answers as one that keeps everything, and so does one that was opened again', async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.nat(60), async (commands, reopenAt) => {
        const path = freshPath()
        let nowMs = 1_000_000
        const now = () => nowMs
        const roomy = createEmbeddedEngine({ path: ':memory:', now })
        let tight = createEmbeddedEngine({ path, now, cacheBytes: 1 })
        for (const [index, words] of commands.entries()) {
          if (index === reopenAt) {
            await tight.close()
            tight = createEmbeddedEngine({ path, now, cacheBytes: 1 })
          }
          if (words[0] === 'later') nowMs += Number(words[1])
          else {
            const expected = inOrder(words[0], await send(roomy, ...words))
            expect(inOrder(words[0], await send(tight, ...words)), words.join(' ')).toEqual(
              expected,
            )
          }
        }
        await Promise.all([roomy.close(), tight.close()])
      }),
      runs(30),
    )
  })

  it('keeps thousands of keys', async () => {
    const engine = createEmbeddedEngine({ path: freshPath(), cacheBytes: 100_000 })
    const names = Array.from({ length: 3_000 }, (_, index) => `k${index}`)
    await Promise.all(names.map((each) => result(engine, 'HSET', each, 'name', each.repeat(20))))
    for (const each of names)
      expect(await result(engine, 'HGET', each, 'name')).toBe(each.repeat(20))
    await engine.close()
  })
})

describe('a large hash or sorted set', () => {
  it('is written field by field', async () => {
    const path = freshPath()
    const engine = createEmbeddedEngine({ path })
    const fields = Array.from({ length: 10_000 }, (_, index) => [`field-${index}`, 'v'.repeat(50)])
    await result(engine, 'HSET', 'h', ...fields.flat())
    await engine.close()
    // Were the whole hash written again, this would refuse it.
    inFile(path, (database) =>
      database.exec(`CREATE TRIGGER one BEFORE INSERT ON fields WHEN new.field <> 'field-7'
        BEGIN SELECT RAISE(ABORT, 'not the field that changed'); END`),
    )
    const again = createEmbeddedEngine({ path })
    await check(again, [
      ['HSET h field-7 new', 0],
      ['HGET h field-7', 'new'],
      ['HGET h field-8', 'v'.repeat(50)],
    ])
    await again.close()
    const value = inFile(path, (database) =>
      database.prepare("SELECT value FROM fields WHERE field = 'field-7'").get(),
    )
    expect(value).toEqual({ value: 'new' })
  })
})

describe('a write that the disk refuses', () => {
  async function openRefusing(how: 'ABORT' | 'ROLLBACK') {
    const path = freshPath()
    await createEmbeddedEngine({ path }).close()
    inFile(path, (database) =>
      database.exec(`CREATE TRIGGER full BEFORE INSERT ON keys WHEN new.key = 'refused'
        BEGIN SELECT RAISE(${how}, 'the disk is full'); END`),
    )
    return createEmbeddedEngine({ path })
  }

  it.each(['ABORT', 'ROLLBACK'] as const)(
    'fails all of its turn, and nobody reads any of it (%s)',
    async (how) => {
      const engine = await openRefusing(how)
      await check(engine, [
        ['HSET h n 1', 1],
        ['ZADD z 1 m', 1],
        ['SET s before', 'OK'],
      ])
      const turn = [
        send(engine, 'HINCRBY', 'h', 'n', '1'),
        send(engine, 'DEL', 'z'),
        send(engine, 'SET', 'refused', 'x'),
        send(engine, 'SET', 's', 'after'),
        send(engine, 'GET', 's'),
        send(engine, 'FLUSHALL'),
        send(engine, 'SET', 'refused', 'x'),
      ]
      for (const { status } of await Promise.allSettled(turn)) expect(status).toBe('rejected')
      await check(engine, [
        ['HGET h n', '1'],
        ['ZRANGE z 0 -1 WITHSCORES', ['m', '1']],
        ['GET s', 'before'],
        ['EXISTS refused', 0],
        ['HINCRBY h n 1', 2],
      ])
      await engine.close()
    },
  )

  it('fails a transaction and a script as a whole', async () => {
    const engine = await openRefusing('ABORT')
    const body = [
      ['SET', 'a', '1'],
      ['SET', 'refused', '1'],
    ]
    await expect(engine.request({ path: ['multi-exec'], body })).rejects.toThrow('disk is full')
    const script = 'redis.call("SET", "b", 1) return redis.call("SET", "refused", 1)'
    await expect(send(engine, 'EVAL', script, 0)).rejects.toThrow('disk is full')
    await check(engine, [['EXISTS a b refused', 0]])
    await engine.close()
  })
})

describe('what a script wrote before its error', () => {
  it('stays in memory and on disk', async () => {
    const path = freshPath()
    const engine = createEmbeddedEngine({ path })
    const script = 'redis.call("SET", "k", "kept") error("late")'
    expect((await send(engine, 'EVAL', script, 0)).error).toMatch('late')
    await check(engine, [['GET k', 'kept']])
    await engine.close()
    const again = createEmbeddedEngine({ path })
    await check(again, [['GET k', 'kept']])
    await again.close()
  })
})

describe('the size of the file', () => {
  it('shrinks when keys have expired or were deleted', async () => {
    const path = freshPath()
    let nowMs = 1_000_000
    let engine = createEmbeddedEngine({ path, now: () => nowMs })
    const names = (prefix: string) => Array.from({ length: 2_000 }, (_, index) => prefix + index)
    const set = (keys: string[], ...options: string[]) =>
      Promise.all(
        keys.map((each) =>
          result(engine, 'SET', each, randomBytes(500).toString('hex'), ...options),
        ),
      )
    /** The size of the file when a day's work of writes has passed over it. */
    const bytesLater = async () => {
      for (let index = 0; index < 200; index++) await result(engine, 'HINCRBY', 'h', 'n', '1')
      await engine.close()
      const { size } = statSync(path)
      engine = createEmbeddedEngine({ path, now: () => nowMs })
      return size
    }
    await set(names('deleted-'))
    await set(names('expires-'), 'PX', '1000')
    const whole = await bytesLater()
    await result(engine, 'DEL', ...names('deleted-'))
    const withoutDeleted = await bytesLater()
    expect(withoutDeleted).toBeLessThan(whole * 0.7)
    nowMs += 2_000
    expect(await bytesLater()).toBeLessThan(withoutDeleted * 0.6)
    await engine.close()
  })
})
