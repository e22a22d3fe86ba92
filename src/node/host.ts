/** The Node host: composes a Runtime from the environment, listens, prepares the store, ends in order. */
import { createServer } from 'node:http'
import { join } from 'node:path'
import { getRequestListener } from '@hono/node-server'
import { getConnInfo } from '@hono/node-server/conninfo'
import { ensureAdmin } from '../admin/session/ensure-admin.ts'
import { createApp } from '../app.ts'
import { ensureSealingKey } from '../catalog/sealing.ts'
import { type Config, loadConfig } from '../config.ts'
import { generatePassword } from '../crypto.ts'
import { createGateway, type Gateway } from '../gateway.ts'
import { checkTimeZone } from '../ledger/time-zone.ts'
import { fanOut } from '../observe/fan-out.ts'
import { createLog } from '../observe/log.ts'
import { createBasePaths } from '../relay/base-path.ts'
import { relayRoutes } from '../relay/routes.ts'
import { createRelay } from '../relay/serve.ts'
import { replayJournal } from '../relay/settlement/deliver.ts'
import { sweep } from '../relay/settlement/orphans.ts'
import type { Runtime } from '../runtime.ts'
import { ttl } from '../store/keyspace.ts'
import { createRedis } from '../store/redis.ts'
import { unlessAborted } from '../unless-aborted.ts'
import { systemClock } from './clock.ts'
import { decompressors } from './decompressors.ts'
import { type OpenedEngine, openEngine } from './engines/open-engine.ts'
import { continueWhenRead } from './expect-continue.ts'
import { openJournal } from './journal.ts'
import { createRelayServer } from './relay-server.ts'
import { startRollUps } from './roll-ups.ts'
import { createRunningWork, drain, type RunningWork, trackRequests } from './running-work.ts'
import { keepIdleConnections, listen } from './server.ts'
import { checkAdminPassword } from './settings/check-admin.ts'
import { checkStore } from './settings/check-store.ts'
import { type Environment, readGatewayEnvironment } from './settings/environment.ts'
import type { Question } from './settings/question.ts'
import { asksForSocket, serveSockets } from './sockets.ts'
import { createSocketOpener } from './transport/open-socket.ts'
import { createTransport } from './transport/transport.ts'
import { endUnreadUploads } from './unread-uploads.ts'
import { welcome } from './welcome.ts'

export interface NodeHost {
  url: string
  /** Stops accepting, lets requests and settlements end within the bound, closes the store. */
  close(): Promise<void>
}

/**
 * Starts the gateway. It listens first, because a start that fails must not have shown the password
 * that is shown only once; until the store is prepared, every request is answered with 503.
 * @param write takes log lines; `say` takes the text for people.
 * @param stopped ends the start: it rejects with the reason, and everything is closed again.
 * @throws ConfigError and engine errors that name the setting at fault.
 */
export async function startNode(
  environment: Environment,
  write: (line: string) => void,
  say: (text: string) => void,
  stopped: AbortSignal = new AbortController().signal,
): Promise<NodeHost> {
  const { given, questions } = readGatewayEnvironment(environment)
  const config = loadConfig(given)
  const store = await openEngine(config, stopped)
  const { gateway, running, closeStore } = compose(config, store, write)
  const { observe } = gateway.runtime
  let isReady = false
  let stopRollUps = () => {}
  const app = createApp(gateway, { isReady: () => isReady })
  const fetch = endUnreadUploads(trackRequests(app.fetch, running))
  const { routeOf, socketRouteOf } = createBasePaths(relayRoutes)
  const server = createServer(
    { shouldUpgradeCallback: asksForSocket },
    createRelayServer({
      routeOf,
      serve: createRelay(gateway, () => isReady),
      running,
      clock: systemClock,
      others: getRequestListener(fetch, { autoCleanupIncoming: false }),
    }),
  )
  serveSockets(server, {
    socketRouteOf,
    serve: createRelay(gateway, () => isReady),
    running,
    clock: systemClock,
    maxMessageBytes: config.BODY_LIMIT_BYTES,
  })
  keepIdleConnections(server, config.KEEP_ALIVE_SECONDS)
  continueWhenRead(server)
  const question = (asked: Question[]) => {
    for (const each of asked) observe({ type: 'setting_questionable', ...each })
  }
  const close = async (drainMs: number) => {
    stopRollUps()
    await drain(server, running, drainMs)
    await closeStore()
  }
  try {
    const { HOST: host, PORT: port, ADMIN_USERNAME: username } = config
    const url = await listen(server, { host, port, settings: 'PORT, HOST' })
    question(questions)
    question(await unlessAborted(checkStore(store, config), stopped))
    await unlessAborted(prepareStore(gateway), stopped)
    stopped.throwIfAborted()
    // The last step, and never broken off: once the admin is made, its password must be shown.
    const created = await ensureFirstAdmin(gateway)
    isReady = true
    stopRollUps = startRollUps(gateway)
    if (created) say(welcome({ url, username, ...created }))
    else gateway.runtime.defer(checkAdminPassword(gateway).then(question))
    observe({ type: 'started', url, store: store.name })
    return {
      url,
      async close() {
        await close(config.DRAIN_TIMEOUT_SECONDS * 1000)
        observe({ type: 'stopped' })
      },
    }
  } catch (error) {
    await close(0)
    throw error
  }
}

interface Composition {
  gateway: Gateway
  running: RunningWork
  closeStore(): Promise<void>
}

function compose(
  config: Config,
  { name, engine }: OpenedEngine,
  write: (line: string) => void,
): Composition {
  // The embedded store is on the same disk: a journal beside it would keep nothing safer.
  const journal =
    name === 'embedded' ? undefined : openJournal(join(config.DATA_DIR, 'journal.log'))
  const connections = {
    connectTimeoutMs: config.UPSTREAM_CONNECT_TIMEOUT_SECONDS * 1000,
    allowPrivateUpstreams: config.ALLOW_PRIVATE_UPSTREAMS,
  }
  const { ALLOW_PRIVATE_PROXIES: allowPrivateProxies } = config
  const transport = createTransport({ ...connections, allowPrivateProxies })
  const sockets = createSocketOpener(connections)
  const running = createRunningWork()
  const observe = fanOut(createLog(config.LOG_LEVEL, write, systemClock.now))
  const runtime: Runtime = {
    ...systemClock,
    config,
    redis: createRedis(engine),
    fetch: transport.fetch,
    openSocket: sockets.open,
    decompressors,
    canProxy: true,
    clientAddress: (c) => getConnInfo(c).remote.address,
    observe,
    defer(work) {
      running.add(work.catch((error: unknown) => observe({ type: 'deferred_failed', error })))
    },
    ...(journal && { journal }),
  }
  if (journal?.damage) observe({ type: 'journal_damaged', ...journal.damage })
  const closeStore = async () => {
    await Promise.all([transport.close(), sockets.close()])
    await engine.close()
    await journal?.close()
  }
  return { gateway: createGateway(runtime), running, closeStore }
}

/** Checks the format, the time zone and the sealing key, sends what is in the journal, and settles the requests of processes that ended without doing so. */
async function prepareStore(gateway: Gateway): Promise<void> {
  const { runtime, keyspace } = gateway
  // It checks the format of the store, before anything is written.
  await gateway.catalog.loadPool()
  await checkTimeZone(runtime.redis, keyspace, runtime.config.TIMEZONE)
  await ensureSealingKey(gateway)
  runtime.defer(replayJournal(gateway, ttl.journalMs))
  for (const poolId of gateway.platforms.poolIds) await sweep(gateway, poolId)
}

/** Makes the first admin if there is none; undefined if there is one. */
async function ensureFirstAdmin(
  gateway: Gateway,
): Promise<{ generatedPassword: string | undefined } | undefined> {
  const { ADMIN_PASSWORD: chosen } = gateway.runtime.config
  const generatedPassword = chosen ? undefined : generatePassword()
  const admin = await ensureAdmin(gateway, {
    actor: { kind: 'system', name: 'start' },
    password: chosen ?? generatedPassword,
  })
  return admin === 'created' ? { generatedPassword } : undefined
}
