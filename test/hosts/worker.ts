/** The Workers host: the real bundle in workerd, over the REST bridge and an embedded store. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createEmbeddedEngine } from '../../src/node/engines/embedded/engine.ts'
import type { Engine } from '../../src/store/redis.ts'
import { serveBridge } from '../support/rest-bridge.ts'
import { type GatewayHost, journeySettings } from './host.ts'
import { buildWorker } from './worker-build.ts'

/** Secrets that every process over one store has to share. */
export const sharedSecrets = {
  JWT_SECRET: 'a JWT secret that only tests know',
  ENCRYPTION_KEY: '5a'.repeat(32),
}

/** What Miniflare's types leave out. */
interface ScheduledWorker {
  scheduled(options: { cron: string }): Promise<{ outcome: string }>
}

/**
 * Starts the Worker in workerd: Miniflare alone, not wrangler's own servers, which stand between the
 * Worker and the network and hide disconnects, redirects and resets from it.
 */
export async function startWorker(settings: Record<string, string>, log: string[] = []) {
  // Large, and not needed by a run that leaves workerd out.
  const { convertV4MiniflareOptions, Miniflare } = await import('miniflare')
  const { script, compatibilityDate, compatibilityFlags } = await buildWorker()
  const worker = new Miniflare(
    convertV4MiniflareOptions({
      modules: true,
      script,
      compatibilityDate,
      compatibilityFlags,
      bindings: settings,
      cf: false,
      host: '127.0.0.1',
      port: 0,
      handleStructuredLogs: ({ message }) => void log.push(message),
    }),
  )
  return {
    url: (await worker.ready).origin,
    /** Calls it as the cron trigger does. */
    runSchedule: async () => {
      const { scheduled } = (await worker.getWorker()) as unknown as ScheduledWorker
      await scheduled({ cron: '1 * * * *' })
    },
    close: () => worker.dispose(),
  }
}

/** @param wrap puts something between the bridge and the store, such as a fault. */
export async function startWorkerHost(
  settings: Record<string, string> = {},
  wrap: (engine: Engine) => Engine = (engine) => engine,
): Promise<GatewayHost> {
  const directory = mkdtempSync(join(tmpdir(), 'gateway-'))
  const engine = createEmbeddedEngine({ path: join(directory, 'store.sqlite') })
  const bridge = await serveBridge(wrap(engine))
  const variables = {
    ...journeySettings,
    ...sharedSecrets,
    LOG_LEVEL: 'debug',
    UPSTASH_REDIS_REST_URL: bridge.url,
    UPSTASH_REDIS_REST_TOKEN: bridge.token,
    ...settings,
  }
  const log: string[] = []
  let running = await startWorker(variables, log)
  return {
    get url() {
      return running.url
    },
    adminPassword: variables.ADMIN_PASSWORD,
    noticesQuietLeave: false,
    canProxy: false,
    log,
    async restart() {
      await running.close()
      running = await startWorker(variables, log)
    },
    async close() {
      await running.close()
      await bridge.close()
      await engine.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
