import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { dataCommands } from '../../src/node/engines/embedded/commands/table.ts'
import { createEmbeddedEngine } from '../../src/node/engines/embedded/engine.ts'
import { describeEngine } from './contract.ts'
import { check, result, send } from './steps.ts'

let directory = ''
let files = 0
const freshPath = () => join(directory, `store-${++files}.sqlite`)

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'embedded-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

async function openContract(path: string) {
  const engine = createEmbeddedEngine({ path })
  return {
    engine,
    reset: async () => {
      await result(engine, 'FLUSHALL')
    },
    close: () => engine.close(),
  }
}

describeEngine('the embedded engine on a file', () => openContract(freshPath()))
describeEngine('the embedded engine in memory', () => openContract(':memory:'))

describe('the commands of the embedded engine', () => {
  it('include every one that the scripts of the gateway call', () => {
    const root = join(import.meta.dirname, '..', '..', 'src', 'store')
    const sources = readdirSync(root, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => readFileSync(join(root, file), 'utf8'))
    const called = sources.flatMap((source) => [
      ...source.matchAll(/redis\.p?call\(\s*['"](\w+)['"]/g),
    ])
    const names = [...new Set(called.map(([, name = '']) => name.toLowerCase()))]
    expect(names.length).toBeGreaterThan(10)
    expect(names.filter((name) => !Object.hasOwn(dataCommands, name))).toEqual([])
  })

  it('are only those with a caller: any other gets the error of Redis', async () => {
    const engine = createEmbeddedEngine({ path: ':memory:' })
    for (const name of ['INCR', 'EXPIRE', 'SADD', 'ZINCRBY', 'HSCAN', 'KEYS', 'SCRIPT', 'SELECT']) {
      const { error } = await send(engine, name, 'k', '1')
      expect(error).toBe(`ERR unknown command '${name}'`)
    }
    await engine.close()
  })
})

describe('the clock of the embedded engine', () => {
  it('is the one that was injected', async () => {
    let nowMs = 1_750_000_000_123
    const engine = createEmbeddedEngine({ path: ':memory:', now: () => nowMs })
    await check(engine, [
      ['TIME', ['1750000000', '123000']],
      [
        ['EVAL', 'return redis.call("TIME")', 0],
        ['1750000000', '123000'],
      ],
      ['SET k v PX 1000', 'OK'],
      ['HSET h f 1', 1],
      ['PEXPIRE h 3600000', 1],
      ['PTTL k', 1000],
    ])
    nowMs += 1_001
    await check(engine, [
      ['GET k', null],
      ['PTTL h', 3_598_999],
    ])
    nowMs += 86_400_000
    await check(engine, [
      ['HGETALL h', []],
      ['EXISTS h', 0],
    ])
    await engine.close()
  })

  it('stands still while a script or a transaction runs', async () => {
    let nowMs = 1_000
    const engine = createEmbeddedEngine({ path: ':memory:', now: () => nowMs++ })
    const script = 'return {redis.call("TIME")[2], redis.call("TIME")[2]}'
    const [first, second] = (await result(engine, 'EVAL', script, 0)) as string[]
    expect(second).toBe(first)
    const body = [['TIME'], ['PING'], ['TIME']]
    const [one, , two] = (await engine.request({
      path: ['multi-exec'],
      body,
    })) as unknown as unknown[]
    expect(two).toEqual(one)
    await engine.close()
  })

  it('sweeps expired keys that are never asked for', async () => {
    let nowMs = 1_000
    const path = freshPath()
    const engine = createEmbeddedEngine({ path, now: () => nowMs })
    for (let index = 0; index < 300; index++) {
      await result(engine, 'SET', `k${index}`, 'v', 'PX', 10)
    }
    nowMs += 1_000
    for (let index = 0; index < 100; index++) await result(engine, 'HINCRBY', 'h', 'n', 1)
    await engine.close()
    // A clock before the expiry of the keys: a key that is left was not swept.
    const earlier = createEmbeddedEngine({ path, now: () => 1_000 })
    const names = Array.from({ length: 300 }, (_, index) => `k${index}`)
    expect(await result(earlier, 'EXISTS', ...names)).toBe(0)
    expect(await result(earlier, 'HGET', 'h', 'n')).toBe('100')
    await earlier.close()
  })
})

describe('the file of the embedded engine', () => {
  it('keeps everything across a restart', async () => {
    const path = freshPath()
    const first = createEmbeddedEngine({ path, synchronous: 'full' })
    await check(first, [
      ['SET s \u{1f600} EX 100', 'OK'],
      ['HSET h f 1', 1],
      ['ZADD z 1.5 m', 1],
    ])
    await first.close()
    const second = createEmbeddedEngine({ path })
    await check(second, [
      ['GET s', '\u{1f600}'],
      ['HGETALL h', ['f', '1']],
      ['ZRANGE z 0 -1 WITHSCORES', ['m', '1.5']],
    ])
    await second.close()
  })

  it('belongs to one engine: another one is refused with the setting at fault', async () => {
    const path = freshPath()
    const one = createEmbeddedEngine({ path })
    await result(one, 'HSET', 'h', 'n', '1')
    const inUse = `DATA_DIR: ${path} is in use by another process`
    expect(() => createEmbeddedEngine({ path })).toThrow(inUse)
    await check(one, [['HGET h n', '1']])
    await one.close()
    const next = createEmbeddedEngine({ path })
    await check(next, [['HGET h n', '1']])
    await next.close()
  })

  it('names the setting and the path when it cannot be opened', () => {
    const path = join(directory, 'missing', 'store.sqlite')
    expect(() => createEmbeddedEngine({ path })).toThrow(`DATA_DIR: the data file ${path} cannot`)
  })

  it('rejects, rather than answers, when it fails underneath', async () => {
    const engine = createEmbeddedEngine({ path: ':memory:' })
    await result(engine, 'EVAL', 'return 1', 0)
    await engine.close()
    await expect(send(engine, 'GET', 'k')).rejects.toThrow()
    await expect(send(engine, 'EVAL', 'return redis.call("GET", "k")', 0)).rejects.toThrow()
  })
})

describe('a process that is killed while it writes', () => {
  /** The lines that a writer printed until it was killed; the last one may have been cut off. */
  async function writeAndKill(delayMs: number, writer: string, ...args: string[]) {
    const words = [join(import.meta.dirname, writer), ...args]
    const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] })
    const exited = once(child, 'exit')
    let output = ''
    const closed = once(child.stdout, 'close')
    child.stdout.on('data', (chunk) => {
      output += String(chunk)
    })
    await once(child.stdout, 'data')
    await sleep(delayMs)
    child.kill('SIGKILL')
    await Promise.all([exited, closed])
    return output.split('\n').slice(0, -1)
  }

  it('leaves whole scripts and transactions, and every one that was confirmed', async () => {
    const path = freshPath()
    let before = 0
    for (const delayMs of [1, 20 + Math.random() * 30, 60 + Math.random() * 60]) {
      const confirmed = Number((await writeAndKill(delayMs, 'crash-writer.ts', path)).at(-1))
      const engine = createEmbeddedEngine({ path })
      const left = Number(await result(engine, 'HGET', 'left', 'count'))
      expect(confirmed).toBeGreaterThan(before)
      expect(left).toBeGreaterThanOrEqual(confirmed)
      expect(await result(engine, 'HGET', 'right', 'count')).toBe(String(left))
      expect(await result(engine, 'ZCARD', 'log')).toBe(left)
      const one = await result(engine, 'HGET', 'one', 'count')
      expect(await result(engine, 'HGET', 'two', 'count')).toBe(one)
      await engine.close()
      before = left
    }
  })

  it('leaves every write that was confirmed, of all who wrote at once', async () => {
    const path = freshPath()
    const writers = 40
    for (const delayMs of [5, 30 + Math.random() * 30]) {
      const lines = await writeAndKill(delayMs, 'burst-writer.ts', path, String(writers))
      const confirmed = new Map(lines.map((line) => line.split(' ') as [string, string]))
      const engine = createEmbeddedEngine({ path })
      const members: string[] = []
      for (let writer = 0; writer < writers; writer++) {
        const left = String(await result(engine, 'HGET', `hash-${writer}`, 'count'))
        expect(Number(left)).toBeGreaterThanOrEqual(Number(confirmed.get(String(writer)) ?? 1))
        expect(await result(engine, 'GET', `string-${writer}`)).toBe(left)
        members.push(`hash-${writer}|${left}`)
      }
      const shared = (await result(engine, 'ZRANGE', 'shared', '0', '-1')) as string[]
      expect(shared.toSorted()).toEqual(members.toSorted())
      await engine.close()
    }
  })
})
