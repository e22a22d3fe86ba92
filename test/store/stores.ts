/** The stores that the script tests run on, each with a clock that the test moves. */
import { createHash } from 'node:crypto'
import { createEmbeddedEngine } from '../../src/node/engines/embedded/engine.ts'
import { createTcpEngine } from '../../src/node/engines/tcp.ts'
import type { Engine } from '../../src/store/redis.ts'
import { createEngineBesideRealLua } from '../engines/beside-real-lua.ts'
import { startRedisServer } from '../engines/redis-server.ts'
import { has } from '../support/lanes.ts'

export interface TestStore {
  engine: Engine
  nowMs(): number
  advance(ms: number): void | Promise<void>
}

export type StoreName = 'the embedded engine' | 'both kinds of Lua' | 'redis-server'

export const storeNames: StoreName[] = [
  'the embedded engine',
  ...(has('long runs') ? (['both kinds of Lua'] as const) : []),
  ...(has('redis-server') ? (['redis-server'] as const) : []),
]

const startMs = Date.UTC(2026, 10, 22, 10, 20)

/** Opens an empty store whose clock stands still until the test advances it. */
export async function openStore(name: StoreName): Promise<TestStore> {
  const clock = { nowMs: startMs }
  const now = () => clock.nowMs
  const engine =
    name === 'redis-server'
      ? withClock(await openRedis(), clock)
      : name === 'both kinds of Lua'
        ? await createEngineBesideRealLua(now)
        : createEmbeddedEngine({ path: ':memory:', now })
  return {
    engine,
    nowMs: now,
    advance: (ms) => {
      clock.nowMs += ms
    },
  }
}

/**
 * Scripts ask a real server for the time; here the answer is passed in behind their arguments, so that
 * hours pass at once. Lifetimes of keys still follow the server's own clock.
 */
function withClock(engine: Engine, clock: { nowMs: number }): Engine {
  const sources = new Map<string, string>()
  const request = async (given: Parameters<Engine['request']>[0]) => {
    const [name, text, ...rest] = given.body as [string, string, ...unknown[]]
    if (name !== 'eval' && name !== 'evalsha') return engine.request(given)
    if (name === 'eval') sources.set(createHash('sha1').update(text).digest('hex'), text)
    const source = name === 'eval' ? text : sources.get(text)
    if (source === undefined) return { error: 'NOSCRIPT No matching script.' }
    const lua = source.replaceAll("redis.call('TIME')", '{ ARGV[#ARGV - 1], ARGV[#ARGV] }')
    const time = [Math.floor(clock.nowMs / 1_000), (clock.nowMs % 1_000) * 1_000]
    return engine.request({ ...given, body: ['eval', lua, ...rest, ...time] })
  }
  return { ...engine, request: request as Engine['request'] }
}

/** Starts a redis-server that ends with its engine. */
export async function openRedis(): Promise<Engine> {
  const server = await startRedisServer()
  const engine = createTcpEngine({ url: server.url, timeoutMs: 30_000 })
  return {
    ...engine,
    close: async () => {
      await engine.close()
      await server.kill()
    },
  }
}
