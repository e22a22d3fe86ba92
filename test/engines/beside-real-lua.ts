/** The embedded engine with compiled scripts and one with real Lua, which must give the same answers. */
import { expect } from 'vitest'
import { createEmbeddedEngine } from '../../src/node/engines/embedded/engine.ts'
import type { Engine } from '../../src/store/redis.ts'
import { loadRealLua } from './real-lua/interpreter.ts'

/** Hashes have no order, and sorted fields belong to sorted values. */
function comparable(answer: unknown, body: unknown): unknown {
  const [command] = Array.isArray(body) ? body : []
  const { result } = answer as { result?: unknown }
  if (String(command).toLowerCase() !== 'hgetall' || !Array.isArray(result)) return answer
  return result.flatMap((field, i) => (i % 2 === 0 ? [`${field}=${result[i + 1]}`] : [])).sort()
}

/** An engine in memory that executes all on both, and fails where the answers differ. */
export async function createEngineBesideRealLua(now: () => number): Promise<Engine> {
  const compiled = createEmbeddedEngine({ path: ':memory:', now })
  const real = createEmbeddedEngine({ path: ':memory:', now, lua: await loadRealLua() })
  const request = async (given: Parameters<Engine['request']>[0]) => {
    const [answer, expected] = await Promise.all([compiled.request(given), real.request(given)])
    expect(comparable(answer, given.body)).toEqual(comparable(expected, given.body))
    return answer
  }
  return {
    readYourWrites: false,
    request: request as Engine['request'],
    async close() {
      await Promise.all([compiled.close(), real.close()])
    },
  }
}
