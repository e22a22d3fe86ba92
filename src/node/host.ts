/** The Node host: composes a Runtime from the environment, listens, and ends in order. */
import { existsSync, readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import {
  createAdaptorServer,
  type Http2Bindings,
  type HttpBindings,
  type ServerType,
} from '@hono/node-server'
import { getConnInfo } from '@hono/node-server/conninfo'
import { ensureAdmin } from '../admin/admins.ts'
import { createApp } from '../app.ts'
import { ensureSealingKey } from '../catalog/sealing.ts'
import { type Config, loadConfig } from '../config.ts'
import { generatePassword } from '../crypto.ts'
import { createGateway, type Gateway } from '../gateway.ts'
import { createLogger } from '../log.ts'
import { replayJournal, sweep } from '../relay/settle.ts'
import type { Runtime } from '../runtime.ts'
import { ttl } from '../store/keyspace.ts'
import { createRedis } from '../store/redis.ts'
import { openDataDir } from './data-dir.ts'
import { openEngine } from './engine.ts'
import { openJournal } from './journal.ts'
import { createTransport } from './transport.ts'
import { welcome } from './welcome.ts'

export interface NodeHost {
  url: string
  /** Stops accepting, lets requests and settlements end within the bound, closes the store. */
  close(): Promise<void>
}

type Environment = Record<string, string | undefined>

const settingsFile = '.dev.vars'
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
  const config = readConfig(environment)
  const { name, engine } = await openEngine(config)
  // The embedded store is on the same disk: a journal beside it would keep nothing safer.
  const journal =
    name === 'embedded' ? undefined : openJournal(join(config.DATA_DIR, 'journal.sqlite'))
  const transport = createTransport({
    connectTimeoutMs: config.UPSTREAM_CONNECT_TIMEOUT_SECONDS * 1000,
    allowPrivateUpstreams: config.ALLOW_PRIVATE_UPSTREAMS,
  })
  const deferred = new Set<Promise<unknown>>()
  const log = createLogger(config.LOG_LEVEL, write, Date.now)
  const runtime: Runtime = {
    config,
    redis: createRedis(engine),
    fetch: transport.fetch,
    clientAddress: (c) => getConnInfo(c).remote.address,
    now: Date.now,
    log,
    defer(work) {
      const tracked = work
        .catch((error: unknown) => log.error('deferred_failed', { error: String(error) }))
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
    const server = createAdaptorServer({ fetch: serve })
    const url = await listen(server, config)
    const close = async () => {
      await drain(server, [inFlight, deferred], config.DRAIN_TIMEOUT_SECONDS * 1000)
      await closeStore()
      log.info('stopped')
    }
    const created = await prepareStore(gateway).catch(async (error: unknown) => {
      server.close()
      throw error
    })
    log.info('started', { url, store: name })
    if (created) say(welcome({ url, username: config.ADMIN_USERNAME, ...created }))
    return { url, close }
  } catch (error) {
    await closeStore()
    throw error
  }
}

/** Process environment, then `.dev.vars`, then secrets of the data directory, in this order. */
function readConfig(environment: Environment): Config {
  const file = existsSync(settingsFile) ? parseEnv(readFileSync(settingsFile, 'utf8')) : {}
  const given = { ...file, ...withoutEmpty(environment) }
  const readSecrets = openDataDir(given.DATA_DIR || './data')
  if (given.JWT_SECRET && given.ENCRYPTION_KEY) return loadConfig(given)
  return loadConfig({ ...readSecrets(), ...withoutEmpty(given) })
}

function withoutEmpty(environment: Environment): Environment {
  return Object.fromEntries(Object.entries(environment).filter(([, value]) => value))
}

/** Brings the store to a state that can serve; tells the admin's password if it made one. */
async function prepareStore(
  gateway: Gateway,
): Promise<{ generatedPassword: string | undefined } | undefined> {
  const { config } = gateway.runtime
  await ensureSealingKey(gateway)
  const generatedPassword = config.ADMIN_PASSWORD ? undefined : generatePassword()
  const admin = await ensureAdmin(gateway, config.ADMIN_PASSWORD ?? generatedPassword)
  gateway.runtime.defer(replayJournal(gateway, ttl.journalMs))
  await sweep(gateway, 'claude-console')
  await sweep(gateway, 'codex')
  return admin === 'created' ? { generatedPassword } : undefined
}

function listen(server: ServerType, config: Config): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new Error(`PORT, HOST: cannot listen on ${config.HOST}:${config.PORT}`, { cause })),
    )
    server.listen(config.PORT, config.HOST, () => {
      const { address, port, family } = server.address() as AddressInfo
      resolve(`http://${family === 'IPv6' ? `[${address}]` : address}:${port}`)
    })
  })
}

type Work = Set<Promise<unknown>>

async function drain(server: ServerType, work: Work[], timeoutMs: number) {
  const closed = new Promise((resolve) => server.close(resolve))
  // A kept-alive connection becomes idle only when its last answer is out.
  const closeIdle = setInterval(() => asHttp(server)?.closeIdleConnections(), 50)
  await within(timeoutMs, closed)
  clearInterval(closeIdle)
  asHttp(server)?.closeAllConnections()
  await closed
  await within(settleGraceMs, settled(work))
}

const asHttp = (server: ServerType) => ('closeIdleConnections' in server ? server : undefined)

/** Requests defer their settlement, and deferred work may defer more. */
async function settled(work: Work[]): Promise<void> {
  while (work.some((set) => set.size > 0)) {
    await Promise.allSettled(work.flatMap((set) => [...set]))
  }
}

async function within(timeoutMs: number, work: Promise<unknown>): Promise<void> {
  const cancel = new AbortController()
  const timeout = new Promise((resolve) => {
    const timer = setTimeout(resolve, timeoutMs)
    cancel.signal.addEventListener('abort', () => clearTimeout(timer))
  })
  await Promise.race([work, timeout])
  cancel.abort()
}
