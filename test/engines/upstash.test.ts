import { describe, expect, it } from 'vitest'
import { systemClock } from '../../src/node/clock.ts'
import { createEmbeddedEngine } from '../../src/node/engines/embedded/engine.ts'
import { createTcpEngine } from '../../src/node/engines/tcp.ts'
import { createKeyspace } from '../../src/store/keyspace.ts'
import { createRedis, type Engine } from '../../src/store/redis.ts'
import { runScript } from '../../src/store/run-script.ts'
import { defineScript } from '../../src/store/script.ts'
import { createUpstashEngine } from '../../src/store/upstash.ts'
import { has } from '../support/lanes.ts'
import { serveBridge } from '../support/rest-bridge.ts'
import { describeEngine } from './contract.ts'
import { startRedisServer } from './redis-server.ts'
import { result, send } from './steps.ts'

async function openThroughBridge(behind: Engine) {
  const bridge = await serveBridge(behind)
  const { url, token } = bridge
  const engine = createUpstashEngine({ url, token, timeoutMs: 10_000, clock: systemClock })
  return {
    engine,
    bridge,
    reset: async () => {
      await result(behind, 'FLUSHALL')
    },
    close: async () => {
      await engine.close()
      await bridge.close()
      await behind.close()
    },
  }
}

async function openRedis() {
  const server = await startRedisServer()
  const opened = await openThroughBridge(createTcpEngine({ url: server.url, timeoutMs: 10_000 }))
  const close = async () => {
    await opened.close()
    await server.stop()
  }
  return { ...opened, close }
}

const openEmbedded = () => openThroughBridge(createEmbeddedEngine({ path: ':memory:' }))

describeEngine('Upstash REST, with the embedded engine behind the bridge', openEmbedded)

describe.runIf(has('redis-server'))('the REST bridge', () => {
  describeEngine('Upstash REST, with a real Redis behind the bridge', openRedis)
})

describe.each([
  ['the embedded engine', openEmbedded, true],
  ['a real Redis', openRedis, has('redis-server')],
] as const)('the Upstash engine in front of %s', (_name, open, isAvailable) => {
  it.runIf(isAvailable)('sends the text of a script once and its digest ever after', async () => {
    const { engine, bridge, close } = await open()
    const redis = createRedis(engine)
    const script = defineScript({
      keys: ['counter'],
      args: { more: 'number' },
      replies: { sum: { total: 'number' } },
      lua: "return reply.sum({ total = redis.call('HINCRBY', keys.counter, 'n', 1) + args.more })",
    })
    const run = async () => {
      const input = { keys: { counter: 'n' }, args: { more: 10 } }
      return (await runScript(redis, createKeyspace(''), script, input)).total
    }
    const served = bridge.served.length
    expect(await run()).toBe(11)
    expect(bridge.served.length - served).toBe(2)
    expect(await run()).toBe(12)
    expect(await run()).toBe(13)
    expect(bridge.served.length - served).toBe(4)
    await close()
  })

  it.runIf(isAvailable)('brings back every Unicode string as it was', async () => {
    const { engine, close } = await open()
    for (const text of ['\ufeffmarked', 'OK', 'T0s=', '\u2028</script>', '\ud83d\ude00', 'a\0b']) {
      await result(engine, 'HSET', 'h', text, text)
      expect(await result(engine, 'HGET', 'h', text)).toBe(text)
      expect(await result(engine, 'HMGET', 'h', text, 'none')).toEqual([text, null])
      expect(await result(engine, 'EVAL', 'return {{ARGV[1]}}', 0, text)).toEqual([[text]])
    }
    await close()
  })

  it.runIf(isAvailable)('refuses what would change the connection that all share', async () => {
    const { engine, close } = await open()
    for (const command of [['MULTI'], ['select', '1'], ['BLPOP', 'k', '0'], ['SUBSCRIBE', 'c']]) {
      const { error } = await send(engine, ...command)
      expect(error).toBe(`ERR Command is not available: '${command[0]?.toUpperCase()}'`)
    }
    expect(await result(engine, 'SET', 'k', 'v')).toBe('OK')
    await close()
  })
})
