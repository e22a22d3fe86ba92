/** Two Workers and a Node process over one store that is far away: one gateway, everywhere at once. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createEmbeddedEngine } from '../../src/node/engines/embedded/engine.ts'
import { startNode } from '../../src/node/host.ts'
import type { Engine } from '../../src/store/redis.ts'
import { has } from '../support/lanes.ts'
import { type ServedBridge, serveBridge } from '../support/rest-bridge.ts'
import { anthropicJson, startUpstream, type Upstream } from '../support/upstream.ts'
import { type AdminClient, eventually, logIn, sendMessage } from './client.ts'
import { type GatewayHost, journeySettings } from './host.ts'
import { sharedSecrets, startWorker } from './worker.ts'

const latencyMs = 120

/** Delays every answer, and counts what is asked. */
function distant(engine: Engine) {
  const state = { latencyMs: 0, asked: 0 }
  const wrapped: Engine = {
    ...engine,
    async request(request) {
      state.asked += 1
      await delay(state.latencyMs)
      return engine.request(request)
    },
  }
  return { state, engine: wrapped }
}

const names = ['Worker A', 'Worker B', 'Node']
let directory: string
let store: Engine
let link: ReturnType<typeof distant>
let bridge: ServedBridge
let upstream: Upstream
let hosts: GatewayHost[]
let admins: AdminClient[]
const closing: (() => Promise<unknown>)[] = []

async function startAll(): Promise<GatewayHost[]> {
  const settings = {
    ...journeySettings,
    ...sharedSecrets,
    UPSTASH_REDIS_REST_URL: bridge.url,
    UPSTASH_REDIS_REST_TOKEN: bridge.token,
    DATA_DIR: directory,
    LOG_LEVEL: 'warn',
  }
  const none = () => {}
  const started = [
    await startWorker(settings),
    await startWorker(settings),
    await startNode(settings, none, none),
  ]
  closing.push(...started.map((host) => () => host.close()))
  return started.map(({ url, close }) => ({
    url,
    close,
    adminPassword: journeySettings.ADMIN_PASSWORD,
    noticesQuietLeave: true,
    canProxy: true,
    log: [],
    restart: async () => {},
  }))
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'gateway-'))
  store = createEmbeddedEngine({ path: join(directory, 'store.sqlite') })
  link = distant(store)
  bridge = await serveBridge(link.engine)
  upstream = await startUpstream()
  upstream.respond(anthropicJson())
  hosts = await startAll()
  admins = await Promise.all(hosts.map(logIn))
})
afterAll(async () => {
  await Promise.all(closing.map((close) => close()))
  await bridge?.close()
  await store?.close()
  await upstream?.close()
  rmSync(directory, { recursive: true, force: true })
})
beforeEach(() => {
  link.state.latencyMs = 0
})

const at = <T>(list: T[], index: number): T => {
  const item = list[index % list.length]
  if (item === undefined) throw new Error('empty')
  return item
}
const statuses = (key: string) =>
  Promise.all(hosts.map(async (host) => (await sendMessage(host, key)).status))

describe.runIf(has('workerd'))('several gateways over one store', () => {
  it('obey, on the next request of each, an edit that was made through any of them', async () => {
    for (const [index, admin] of admins.entries()) {
      const other = at(admins, index + 1)
      const { id, key } = await admin.createKey()
      expect(await statuses(key)).toEqual([503, 503, 503])
      const account = await other.createAccount({ apiUrl: upstream.url, apiKey: 'sk-ant-a' })
      expect(await statuses(key)).toEqual([200, 200, 200])
      await admin.request('DELETE', `/accounts/claude-console/${account.id}`)
      expect(await statuses(key)).toEqual([503, 503, 503])
      await other.deleteKey(id)
      expect(await statuses(key)).toEqual([401, 401, 401])
    }
  })

  it('share the limits of a key', async () => {
    const admin = at(admins, 0)
    const account = await admin.createAccount({ apiUrl: upstream.url, apiKey: 'sk-ant-a' })
    const { key } = await admin.createKey({ rateLimitWindow: 10, rateLimitRequests: 4 })
    expect((await statuses(key)).concat(await statuses(key)).sort()).toEqual([
      200, 200, 200, 200, 429, 429,
    ])
    await admin.request('DELETE', `/accounts/claude-console/${account.id}`)
  })

  it('serve six parallel requests of a key one by one, and refuse none, wherever they arrive', async () => {
    const admin = at(admins, 0)
    const account = await admin.createAccount({ apiUrl: upstream.url, apiKey: 'sk-ant-turn' })
    const { key } = await admin.createKey({ concurrencyLimit: 1 })
    let open = 0
    let mostOpen = 0
    upstream.behave('sk-ant-turn', async (exchange) => {
      mostOpen = Math.max(mostOpen, ++open)
      await delay(50)
      open--
      return anthropicJson()(exchange)
    })
    const answered = (await Promise.all([statuses(key), statuses(key)])).flat()
    expect(answered).toEqual([200, 200, 200, 200, 200, 200])
    const served = upstream.requests.filter(({ credential }) => credential === 'sk-ant-turn')
    expect(served).toHaveLength(6)
    expect(mostOpen).toBe(1)
    await admin.request('DELETE', `/accounts/claude-console/${account.id}`)
  })

  it(`need one round trip of ${latencyMs} ms warm and two cold before a request leaves`, async () => {
    const account = await at(admins, 0).createAccount({
      apiUrl: upstream.url,
      apiKey: 'sk-ant-a',
    })
    // Makes the scripts known to the store.
    await statuses((await at(admins, 0).createKey()).key)
    const { id, key } = await at(admins, 0).createKey()
    let sent = 0
    const trace: string[] = []
    for (const [index, host] of hosts.entries()) {
      for (const [state, expected] of [
        ['cold', 2],
        ['warm', 1],
      ] as const) {
        link.state.latencyMs = latencyMs
        link.state.asked = 0
        let askedBefore = 0
        let leftAfterMs = 0
        const begunMs = performance.now()
        upstream.respond((exchange) => {
          askedBefore = link.state.asked
          leftAfterMs = performance.now() - begunMs
          return anthropicJson()(exchange)
        })
        expect((await sendMessage(host, key)).status).toBe(200)
        trace.push(
          `${at(names, index).padEnd(8)}  ${state}  ${askedBefore} round trip(s), the request left after ${leftAfterMs.toFixed(0)} ms`,
        )
        expect([at(names, index), state, askedBefore]).toEqual([at(names, index), state, expected])
        expect(leftAfterMs).toBeGreaterThan(expected * latencyMs - 5)
        link.state.latencyMs = 0
        sent += 1
        // What the host still asks the store in the background must not count for the next request.
        await eventually(async () =>
          expect((await at(admins, 0).stats(id)).total.requests).toBe(sent),
        )
      }
    }
    process.stdout.write(`\n${trace.join('\n')}\n`)
    await at(admins, 0).request('DELETE', `/accounts/claude-console/${account.id}`)
  })
})
