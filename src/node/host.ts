/** The Node host: composes a Runtime from the environment, listens, and ends in order. */
import type { Server } from 'node:http'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createAdaptorServer, type Http2Bindings, type HttpBindings } from '@hono/node-server'
import { getConnInfo } from '@hono/node-server/conninfo'
import { ensureAdmin } from '../admin/session/ensure-admin.ts'
import { createApp } from '../app.ts'
import { ensureSealingKey } from '../catalog/sealing.ts'
import { loadConfig } from '../config.ts'
import { generatePassword } from '../crypto.ts'
import { createGateway, type Gateway } from '../gateway.ts'
import { fanOut } from '../observe/fan-out.ts'
import { createLog } from '../observe/log.ts'
import { replayJournal } from '../relay/settlement/deliver.ts'
import { sweep } from '../relay/settlement/orphans.ts'
import type { Runtime } from '../runtime.ts'
import { ttl } from '../store/keyspace.ts'
import { createRedis } from '../store/redis.ts'
import { systemClock } from './clock.ts'
import { openEngine } from './engine.ts'
import { type Environment, readGatewayEnvironment } from './environment.ts'
import { openJournal } from './journal.ts'
import { closeServer, listen } from './server.ts'
import { createTransport } from './transport/transport.ts'
import { welcome } from './welcome.ts'

export interface NodeHost {
  url: string
  /** Stops accepting, lets requests and settlements end within the bound, closes the store. */
  close(): Promise<void>
}

/** Aborted streams still have to settle after the drain time is over. */
const settleGraceMs = 2_000

/**
 * Starts the gateway.
 * @param write takes log lines; `say` takes the text for people.
 * @throws ConfigError and engine errors that name the setting at fault.
 */
export async function startNode(
  environment: Environment,
  write: (line: string) => void,
  say: (text: string) => void,
): Promise<NodeHost> {
  const config = loadConfig(readGatewayEnvironment(environment))
  const { name, engine } = await openEngine(config)
  // The embedded store is on the same disk: a journal beside it would keep nothing safer.
  const journal =
    name === 'embedded' ? undefined : openJournal(join(config.DATA_DIR, 'journal.sqlite'))
  const transport = createTransport({
    connectTimeoutMs: config.UPSTREAM_CONNECT_TIMEOUT_SECONDS * 1000,
    allowPrivateUpstreams: config.ALLOW_PRIVATE_UPSTREAMS,
    allowPrivateProxies: config.ALLOW_PRIVATE_PROXIES,
  })
  const deferred = new Set<Promise<unknown>>()
  const observe = fanOut(createLog(config.LOG_LEVEL, write, systemClock.now))
  const runtime: Runtime = {
    ...systemClock,
    config,
    redis: createRedis(engine),
    fetch: transport.fetch,
    canProxy: true,
    clientAddress: (c) => getConnInfo(c).remote.address,
    observe,
    defer(work) {
      const tracked = work
        .catch((error: unknown) => observe({ type: 'deferred_failed', error }))
        .finally(() => deferred.delete(tracked))
      deferred.add(tracked)
    },
    ...(journal && { journal }),
  }
  const gateway = createGateway(runtime)
  const app = createApp(gateway)
  const inFlight = new Set<Promise<unknown>>()
  const serve = (request: Request, bindings: HttpBindings | Http2Bindings) => {
    const response = Promise.resolve(app.fetch(request, bindings))
    // A stream goes on after its response was returned, until its connection has taken it all; one
    // turn later whoever listened for a broken connection has deferred what is left to do.
    const taken = new Promise((resolve) => bindings.outgoing.once('close', resolve))
    const ended: Promise<unknown> = Promise.allSettled([response, taken])
      .then(() => new Promise((resolve) => setImmediate(resolve)))
      .then(() => inFlight.delete(ended))
    inFlight.add(ended)
    return response
  }
  const closeStore = async () => {
    await transport.close()
    await engine.close()
    journal?.close()
  }
  try {
    // Listening comes first: a start that fails must not have spent the one showing of a password.
    const server = createAdaptorServer({ fetch: serve }) as Server
    const url = await listen(server, {
      host: config.HOST,
      port: config.PORT,
      settings: 'PORT, HOST',
    })
    const close = async () => {
      await drain(server, [inFlight, deferred], config.DRAIN_TIMEOUT_SECONDS * 1000)
      await closeStore()
      observe({ type: 'stopped' })
    }
    const created = await prepareStore(gateway).catch(async (error: unknown) => {
      server.close()
      throw error
    })
    observe({ type: 'started', url, store: name })
    if (created) say(welcome({ url, username: config.ADMIN_USERNAME, ...created }))
    return { url, close }
  } catch (error) {
    await closeStore()
    throw error
  }
}

/** Brings the store to a state that can serve; tells the admin's password if it made one. */
async function prepareStore(
  gateway: Gateway,
): Promise<{ generatedPassword: string | undefined } | undefined> {
  const { config } = gateway.runtime
  await ensureSealingKey(gateway)
  const generatedPassword = config.ADMIN_PASSWORD ? undefined : generatePassword()
  const admin = await ensureAdmin(gateway, {
    actor: { kind: 'system', name: 'start' },
    password: config.ADMIN_PASSWORD ?? generatedPassword,
  })
  gateway.runtime.defer(replayJournal(gateway, ttl.journalMs))
  for (const poolId of gateway.platforms.poolIds) await sweep(gateway, poolId)
  return admin === 'created' ? { generatedPassword } : undefined
}

type Work = Set<Promise<unknown>>

async function drain(server: Server, work: Work[], timeoutMs: number) {
  await closeServer(server, timeoutMs)
  await within(settleGraceMs, settled(work))
}

/** Requests defer their settlement, and deferred work may defer more. */
async function settled(work: Work[]): Promise<void> {
  while (work.some((set) => set.size > 0)) {
    await Promise.allSettled(work.flatMap((set) => [...set]))
  }
}

async function within(timeoutMs: number, work: Promise<unknown>): Promise<void> {
  const done = new AbortController()
  const timeout = delay(timeoutMs, undefined, { signal: done.signal }).catch(() => {})
  await Promise.race([work, timeout])
  done.abort()
}
