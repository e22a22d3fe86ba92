/** A whole gateway in this process: real app, real store in memory, real sockets, captured log. */
import { expect } from 'vitest'
import { issueToken } from '../../src/admin/session/token.ts'
import { createApp } from '../../src/app.ts'
import type { Clock } from '../../src/clock.ts'
import { loadConfig } from '../../src/config.ts'
import type { Observer } from '../../src/domain/events.ts'
import { createGateway, type Gateway } from '../../src/gateway.ts'
import { systemClock } from '../../src/node/clock.ts'
import { decompressors } from '../../src/node/decompressors.ts'
import { createEmbeddedEngine } from '../../src/node/engines/embedded/engine.ts'
import { createTransport } from '../../src/node/transport/transport.ts'
import { fanOut } from '../../src/observe/fan-out.ts'
import { createLog } from '../../src/observe/log.ts'
import type { Runtime } from '../../src/runtime.ts'
import { createKeyspace } from '../../src/store/keyspace.ts'
import { createRedis, type Engine } from '../../src/store/redis.ts'

export const testConfig = {
  ADMIN_PASSWORD: 'correct horse battery staple',
  JWT_SECRET: 'a JWT secret that only tests know',
  ENCRYPTION_KEY: '5a'.repeat(32),
  ALLOW_PRIVATE_UPSTREAMS: 'true',
  ALLOW_PRIVATE_PROXIES: 'true',
  LOG_LEVEL: 'debug',
  UPSTREAM_CONNECT_TIMEOUT_SECONDS: '2',
}

export interface TestGatewayOptions {
  /** Settings on top of `testConfig`; an empty one counts as absent. */
  config?: Record<string, string>
  /** By default an embedded engine in memory; an engine that is passed in stays the caller's to close. */
  engine?: Engine
  /** By default the transport of the Node host. */
  fetch?: Runtime['fetch']
  /** Whether the host can go through proxies; by default it can. */
  canProxy?: boolean
  /** Where requests come from; by default nobody knows. */
  clientAddress?: Runtime['clientAddress']
  /** Is told every event, beside the log. */
  observe?: Observer
  /** The wall clock of the gateway, and of the store where that is the default one. */
  now?: () => number
  /** The whole clock of the gateway; by default the real one, but for `now`. */
  clock?: Clock
}

export interface TestGateway {
  app: ReturnType<typeof createApp>
  gateway: Gateway
  runtime: Runtime
  engine: Engine
  /** Every log line so far, as it was written. */
  lines: string[]
  /** The log lines of one event, parsed. */
  logged(event: string): Record<string, unknown>[]
  /** Waits for all deferred work, and for what that defers in turn. */
  deferred(): Promise<void>
  /** Waits for deferred work, then closes what this helper has opened. */
  close(): Promise<void>
}

/** Composes a gateway; several over one engine are several processes over one store. */
export function createTestGateway(options: TestGatewayOptions = {}): TestGateway {
  const config = loadConfig({ ...testConfig, ...options.config })
  const { now } = options
  // A test that sets the time means both clocks.
  const clock = options.clock ?? { ...systemClock, ...(now && { now, monotonicMs: now }) }
  const engine = options.engine ?? createEmbeddedEngine({ path: ':memory:', now: clock.now })
  const transport = createTransport({
    connectTimeoutMs: config.UPSTREAM_CONNECT_TIMEOUT_SECONDS * 1000,
    allowPrivateUpstreams: config.ALLOW_PRIVATE_UPSTREAMS,
    allowPrivateProxies: config.ALLOW_PRIVATE_PROXIES,
  })
  const lines: string[] = []
  const pending = new Set<Promise<unknown>>()
  const write = (line: string) => void lines.push(line)
  const log = createLog(config.LOG_LEVEL, write, clock.now)
  const observe = fanOut(log, ...(options.observe ? [options.observe] : []))
  const runtime: Runtime = {
    ...clock,
    config,
    redis: createRedis(engine),
    fetch: options.fetch ?? transport.fetch,
    canProxy: options.canProxy ?? true,
    decompressors,
    dropsAbandoned: true,
    clientAddress: options.clientAddress ?? (() => undefined),
    observe,
    defer(work) {
      const tracked = work
        .catch((error: unknown) => observe({ type: 'deferred_failed', error }))
        .finally(() => pending.delete(tracked))
      pending.add(tracked)
    },
  }
  const gateway = createGateway(runtime)
  const deferred = async () => {
    while (pending.size > 0) await Promise.all(pending)
  }
  return {
    app: createApp(gateway),
    gateway,
    runtime,
    engine,
    lines,
    logged: (event) =>
      lines.map((line) => JSON.parse(line)).filter((fields) => fields.event === event),
    deferred,
    async close() {
      await deferred()
      await transport.close()
      if (!options.engine) await engine.close()
    },
  }
}

/** An answer whose body was read; `json` is undefined when it is not JSON. */
export interface Answer {
  status: number
  headers: Headers
  text: string
  json: ReturnType<typeof JSON.parse>
}

export async function read(response: Response): Promise<Answer> {
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.startsWith('application/json')
  const { status, headers } = response
  return { status, headers, text, json: isJson && text ? JSON.parse(text) : undefined }
}

/** A token of an administrator, whom the store gets if it has none yet; without a password. */
export async function adminToken(
  runtime: Pick<Runtime, 'config' | 'now' | 'redis'>,
  username = 'admin',
): Promise<string> {
  const key = createKeyspace(runtime.config.KEY_PREFIX).admin(username)
  const field = 'tokensValidAfterMs'
  const [, sinceMs] = await runtime.redis
    .pipeline()
    .hsetnx(key, field, '0')
    .hget<string>(key, field)
    .exec()
    // Some tests are about a store that does not answer.
    .catch(() => [0, '0'])
  return issueToken(runtime, username, Number(sinceMs))
}

export type TestAdmin = ReturnType<typeof createTestAdmin>

/** An administrator who is logged in: calls below /api/v2, and the two records every test needs. */
export function createTestAdmin(
  { app, runtime }: Pick<TestGateway, 'app' | 'runtime'>,
  username = 'admin',
) {
  const call = async (
    method: string,
    path: string,
    body?: unknown,
    extra: Record<string, string> = {},
  ): Promise<Answer> => {
    const headers: Record<string, string> = {
      ...extra,
      authorization: `Bearer ${await adminToken(runtime, username)}`,
    }
    if (body !== undefined) headers['content-type'] = 'application/json'
    const init = { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) }
    return read(await app.request(`/api/v2${path}`, init))
  }
  const created = async (path: string, body: unknown) => {
    const answer = await call('POST', path, body)
    expect(answer.status, answer.text).toBe(201)
    return answer.json
  }
  return {
    call,
    /** Creates an account, by default of `claude-console` with credential `sk-ant-test`. */
    createAccount: (
      fields: Record<string, unknown> = {},
      platform = 'claude-console',
    ): Promise<{ id: string } & Record<string, unknown>> =>
      created(`/accounts/${platform}`, {
        name: 'account',
        apiUrl: 'https://api.example.com',
        apiKey: 'sk-ant-test',
        ...fields,
      }),
    /** Creates a key; `key` is the plain one. */
    createKey: (
      fields: Record<string, unknown> = {},
    ): Promise<{ id: string; key: string } & Record<string, unknown>> =>
      created('/keys', { name: 'key', ...fields }),
  }
}
