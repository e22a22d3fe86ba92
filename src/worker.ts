/** Entry of the Workers host: composes a Runtime once per isolate. */
import { waitUntil } from 'cloudflare:workers'
import { getPath } from 'hono/utils/url'
import type { createApp } from './app.ts'
import { openByobReader } from './byob-reader.ts'
import type { Clock } from './clock.ts'
import { type Config, ConfigError, loadConfig } from './config.ts'
import { createGateway, type Gateway } from './gateway.ts'
import { asResponse } from './http-message.ts'
import { rollUp } from './ledger/roll-up.ts'
import { checkTimeZone } from './ledger/time-zone.ts'
import { type AcceptSocket, type MessageSocket, messageSocket } from './message-socket.ts'
import { fanOut } from './observe/fan-out.ts'
import { createLog } from './observe/log.ts'

import { createBasePaths } from './relay/base-path.ts'
import { requestIdOf } from './relay/request/request-id.ts'
import { relayRoutes } from './relay/routes.ts'
import { createRelay, type ServeRelay } from './relay/serve.ts'
import type { Decompress, Runtime, UpstreamRequest } from './runtime.ts'

import { createRedis } from './store/redis.ts'
import { createUpstashEngine } from './store/upstash.ts'

/** Variables and secrets of the Worker; anything that is no text is not a setting. */
type Environment = Record<string, unknown>

interface Host {
  gateway: Gateway
  serveRelay: ServeRelay
  /** Serves everything but the relay; made when it is first asked for, since that takes long. */
  app?: ReturnType<typeof createApp>
}

let host: Host | undefined
const { routeOf } = createBasePaths(relayRoutes)
/** What the store says of the settings; undefined until it was asked. */
let checked: Promise<void> | undefined
let fault: ConfigError | undefined

function hostOf(environment: Environment): Host {
  host ??= createHost(environment)
  return host
}

export default {
  fetch(request: Request, environment: Environment): Response | Promise<Response> {
    try {
      host = hostOf(environment)
    } catch (error) {
      if (error instanceof ConfigError) return misconfigured(error)
      throw error
    }
    checkOnce(host.gateway)
    if (fault) return misconfigured(fault)
    const route = request.method === 'POST' ? routeOf(getPath(request)) : undefined
    if (!route) return serveOthers(host, request)
    const requestId = requestIdOf(request.headers, clock.now())
    return host.serveRelay(route, request, { requestId }).then(asResponse)
  },

  /** Called by the cron trigger of wrangler.toml. */
  async scheduled(_controller: unknown, environment: Environment): Promise<void> {
    const { runtime, keyspace } = hostOf(environment).gateway
    await rollUp(runtime.redis, keyspace)
  },
}

/** Beside the first request, which does not wait for it: later ones are refused where a setting is wrong. */
function checkOnce({ runtime, keyspace }: Gateway): void {
  if (checked) return
  checked = checkTimeZone(runtime.redis, keyspace, runtime.config.TIMEZONE).catch((error) => {
    if (error instanceof ConfigError) fault = error
    else checked = undefined
  })
  waitUntil(checked)
}

function createHost(environment: Environment): Host {
  const gateway = createGateway(createRuntime(readConfig(environment)))
  return { gateway, serveRelay: createRelay(gateway, () => true) }
}

async function serveOthers(host: Host, request: Request): Promise<Response> {
  const { createApp } = await import('./app.ts')
  host.app ??= createApp(host.gateway)
  return host.app.fetch(request, { acceptSocket })
}

function readConfig(environment: Environment): Config & { url: string; token: string } {
  const settings = Object.entries(environment).filter(([, value]) => typeof value === 'string')
  const config = loadConfig(Object.fromEntries(settings) as Record<string, string>)
  const { UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: token } = config
  if (url && token) return { ...config, url, token }
  throw new ConfigError(
    'These settings are wrong:\n  UPSTASH_REDIS_REST_URL, UPSTASH_REDIS_REST_TOKEN: are required on Workers',
  )
}

/** In workerd time moves with input and output only, and a timer belongs to the request that sets it. */
const clock: Clock = {
  now: Date.now,
  monotonicMs: () => Math.floor(performance.now()),
  setTimer(run, delayMs) {
    const timer = setTimeout(run, delayMs)
    return { clear: () => clearTimeout(timer) }
  },
}

const undo =
  (format: 'gzip' | 'deflate'): Decompress =>
  (compressed) =>
    new Blob([compressed]).stream().pipeThrough(new DecompressionStream(format)).getReader()
/** workerd has no others. */
const decompressors = new Map([
  ['gzip', undo('gzip')],
  ['deflate', undo('deflate')],
])

function createRuntime(config: ReturnType<typeof readConfig>): Runtime {
  const { url, token, STORE_TIMEOUT_MS: timeoutMs } = config
  const write = (line: string) => console.log(line)
  const observe = fanOut(createLog(config.LOG_LEVEL, write, clock.now))
  return {
    ...clock,
    config,
    redis: createRedis(createUpstashEngine({ url, token, timeoutMs, clock })),
    async fetch(address, { headers, body, ...request }) {
      const init = { ...request, headers: [...headers], body: body ?? null }
      const { status, headers: answerHeaders, body: stream } = await fetch(address, init)
      // What the network brings is a stream of bytes.
      const answerBody = stream && { getReader: () => openByobReader(stream) }
      return { status, headers: answerHeaders, body: answerBody }
    },
    openSocket,
    decompressors,
    // The subrequests and the CPU time of an invocation are bounded, and a socket is one invocation.
    socketResponseLimit: 20,
    canProxy: false,
    // Each read and each write of a stream costs as much as reading fifty events.
    gatherMs: 19,
    dropsAbandoned: true,
    // Each poll is a subrequest, and the smallest plan grants 50 to a request.
    waitingPollLimit: 30,
    isolatesRequests: true,
    // Set by Cloudflare itself, whatever the client sent.
    clientAddress: (c) => c.req.header('cf-connecting-ip'),
    observe,
    defer: (work) =>
      waitUntil(work.catch((error: unknown) => observe({ type: 'deferred_failed', error }))),
  }
}

/** Tells the deployer what to set; names of settings are no secret, and their values stay out. */
function misconfigured({ message }: ConfigError): Response {
  return Response.json({ error: { code: 'misconfigured', message } }, { status: 500 })
}

/** A client's socket; the other end of the pair is what workerd passes on. */
function acceptSocket(): ReturnType<AcceptSocket> {
  const { 0: client, 1: server } = new WebSocketPair()
  server.accept()
  const init: ResponseInit & { webSocket: unknown } = { status: 101, webSocket: client }
  return { answer: new Response(null, init), socket: messageSocket(server) }
}

/** @throws Error when the upstream answers with anything but a WebSocket. */
async function openSocket(url: string, request: UpstreamRequest): Promise<MessageSocket> {
  const headers = new Headers([...request.headers])
  headers.set('upgrade', 'websocket')
  const response: Response & { webSocket?: WorkerSocket | null } = await fetch(url, {
    headers,
    signal: request.signal,
    redirect: 'manual',
  })
  const { webSocket: socket } = response
  if (!socket) {
    await response.body?.cancel()
    throw new Error('The upstream opened no WebSocket')
  }
  socket.accept()
  return messageSocket(socket)
}
