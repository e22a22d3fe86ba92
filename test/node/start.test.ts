/** The time between listening and being ready, over a store that a test delays or breaks. */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { createEmbeddedEngine } from '../../src/node/engines/embedded/engine.ts'
import { startNode } from '../../src/node/host.ts'
import type { Engine } from '../../src/store/redis.ts'
import { eventually } from '../hosts/client.ts'
import { serveBridge } from '../support/rest-bridge.ts'

type Request = Parameters<Engine['request']>[0]

let directory: string
let engine: Engine
let close: () => Promise<void>
/** Runs before each request of the gateway reaches the store; what it throws is thrown by the store. */
let before: (request: Request) => Promise<void>
let settings: Record<string, string>
let said: string[]

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'start-'))
  engine = createEmbeddedEngine({ path: ':memory:' })
  before = async () => {}
  said = []
  const bridge = await serveBridge({
    ...engine,
    request: async (request) => {
      await before(request)
      return engine.request(request)
    },
  })
  close = () => bridge.close()
  settings = {
    PORT: String(await freePort()),
    DATA_DIR: directory,
    LOG_LEVEL: 'silent',
    UPSTASH_REDIS_REST_URL: bridge.url,
    UPSTASH_REDIS_REST_TOKEN: bridge.token,
  }
})

afterEach(async () => {
  await close()
  await engine.close()
  rmSync(directory, { recursive: true, force: true })
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

function start(stopped?: AbortSignal) {
  const silent = () => {}
  return startNode(settings, silent, (text) => said.push(text), stopped)
}

/** Delays all commands but PING, which proves that the store answers, until the result is called. */
function delayStore() {
  const released = Promise.withResolvers<void>()
  onTestFinished(() => released.resolve())
  before = async ({ body }) => {
    if (!Array.isArray(body) || body[0] !== 'PING') await released.promise
  }
  return released.resolve
}

const url = () => `http://127.0.0.1:${settings.PORT}`
const ask = (path: string, method = 'GET') => fetch(`${url()}${path}`, { method })

describe('a second gateway with the same DATA_DIR', () => {
  it('does not start, and names the setting; when the first has ended, it does', async () => {
    const first = await start()
    settings.PORT = '0'
    await expect(start()).rejects.toThrow(
      /^DATA_DIR: .*journal\.log.* is in use by another process/,
    )
    await first.close()
    await (await start()).close()
  })

  it('does not start on the embedded store either', async () => {
    settings = { DATA_DIR: directory, PORT: '0', LOG_LEVEL: 'silent' }
    const first = await start()
    await expect(start()).rejects.toThrow(/^DATA_DIR: .*store\.sqlite is in use by another process/)
    expect((await fetch(`${first.url}/health`)).status).toBe(200)
    await first.close()
    await (await start()).close()
  })
})

describe('a gateway whose store is not prepared yet', () => {
  it('answers /health with 503 and `starting`, and with 200 as soon as it can serve', async () => {
    const release = delayStore()
    const starting = start()
    const health = await eventually(() => ask('/health'))
    expect([health.status, await health.json()]).toEqual([503, { status: 'starting' }])
    expect((await ask('/livez')).status).toBe(200)
    expect(health.headers.get('retry-after')).toBe('1')
    release()
    const host = await starting
    const ready = await ask('/health')
    expect([ready.status, await ready.json()]).toMatchObject([200, { status: 'ok' }])
    await host.close()
  })

  it('refuses requests in the envelope of their route, and asks to repeat soon', async () => {
    const release = delayStore()
    const starting = start()
    await eventually(() => ask('/health'))
    const relayed = await ask('/v1/messages', 'POST')
    expect([relayed.status, relayed.headers.get('retry-after')]).toEqual([503, '1'])
    expect(relayed.headers.get('x-should-retry')).toBeNull()
    expect(await relayed.json()).toMatchObject({
      type: 'error',
      error: { type: 'api_error', message: 'The gateway is starting' },
    })
    const login = await ask('/api/v2/auth/admin/login', 'POST')
    expect([login.status, login.headers.get('retry-after')]).toEqual([503, '1'])
    expect(await login.json()).toEqual({
      error: { code: 'starting', message: 'The gateway is starting' },
    })
    release()
    await (await starting).close()
  })

  it('is closed again when its start is stopped, and has made no admin', async () => {
    delayStore()
    const stopping = new AbortController()
    const starting = start(stopping.signal)
    await eventually(() => ask('/health'))
    stopping.abort(new Error('stopped'))
    await expect(starting).rejects.toThrow('stopped')
    await expect(ask('/health')).rejects.toThrow()
    before = async () => {}
    expect(await engine.request({ body: ['EXISTS', 'crs:admin:admin'] })).toEqual({ result: 0 })
  })
})

describe('a start that fails', () => {
  it('has made no admin, so that the next start still shows the password', async () => {
    for (let failing = 1; ; failing++) {
      let count = 0
      before = async ({ body }) => {
        const isScript = Array.isArray(body) && /^eval/i.test(String(body[0]))
        if (isScript && ++count === failing) throw new Error('lost')
      }
      const host = await start().catch(() => undefined)
      if (!host) {
        expect(said).toEqual([])
        continue
      }
      expect(failing).toBeGreaterThan(1)
      expect(said).toEqual([expect.stringMatching(/admin password {2}\S{20,}/)])
      return host.close()
    }
  })

  it('names TIMEZONE where the usage in the store is kept in another zone', async () => {
    await engine.request({ body: ['HSET', 'crs:pool', 'timeZone', 'Europe/Berlin'] })
    await expect(start()).rejects.toThrow(
      'TIMEZONE: is UTC, but the usage in this store is kept in Europe/Berlin',
    )
    settings.TIMEZONE = 'Europe/Berlin'
    await (await start()).close()
  })

  it('leaves the port free', async () => {
    before = async ({ path }) => {
      if (path) throw new Error('lost')
    }
    await expect(start()).rejects.toThrow('cannot reach its store')
    before = async () => {}
    await (await start()).close()
  })
})

it('a start that is stopped while it looks for its store ends at once', async () => {
  const silent = createServer(() => {}).listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const { port } = silent.address() as AddressInfo
  const { UPSTASH_REDIS_REST_URL, UPSTASH_REDIS_REST_TOKEN, ...others } = settings
  settings = { ...others, REDIS_URL: `redis://127.0.0.1:${port}`, STORE_TIMEOUT_MS: '60000' }
  const stopping = new AbortController()
  const starting = start(stopping.signal)
  const [socket] = await once(silent, 'connection')
  stopping.abort(new Error('stopped'))
  await expect(starting).rejects.toThrow('stopped')
  socket.destroy()
  silent.close()
})
