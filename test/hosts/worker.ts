/** The Workers host: the real bundle in workerd, over the REST bridge and an embedded store. */
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAdaptorServer } from '@hono/node-server'
import { convertV4MiniflareOptions, Miniflare } from 'miniflare'
import { unstable_readConfig } from 'wrangler'
import { createEmbeddedEngine } from '../../src/node/embedded/engine.ts'
import { createRestBridge } from '../../src/node/rest-bridge.ts'
import { type GatewayHost, journeySettings } from './host.ts'

const root = join(import.meta.dirname, '..', '..')
const configPath = join(root, 'wrangler.toml')
const token = 'the token of the bridge'

let bundle: Promise<string> | undefined

/** Builds the Worker as a deployment would, once; resolves to its script and its settings. */
function buildWorker(): Promise<string> {
  bundle ??= new Promise((resolve, reject) => {
    const directory = mkdtempSync(join(tmpdir(), 'worker-'))
    const wrangler = join(root, 'node_modules', '.bin', 'wrangler')
    const args = ['deploy', '--dry-run', '--outdir', directory]
    const env = { ...process.env, WRANGLER_SEND_METRICS: 'false', WRANGLER_HIDE_BANNER: 'true' }
    execFile(wrangler, args, { cwd: root, env }, (error, _, stderr) => {
      if (error) return reject(new Error(stderr))
      resolve(readFileSync(join(directory, 'worker.js'), 'utf8'))
      rmSync(directory, { recursive: true })
    })
  })
  return bundle
}

/** Serves an embedded store over Upstash's REST protocol on loopback. */
async function startBridge(path: string) {
  const engine = createEmbeddedEngine({ path })
  const server = createAdaptorServer({ fetch: createRestBridge({ engine, token }).fetch })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    async close() {
      await new Promise((resolve) => {
        server.close(resolve)
        if ('closeAllConnections' in server) server.closeAllConnections()
      })
      await engine.close()
    },
  }
}

export async function startWorkerHost(settings: Record<string, string> = {}): Promise<GatewayHost> {
  const directory = mkdtempSync(join(tmpdir(), 'gateway-'))
  const bridge = await startBridge(join(directory, 'store.sqlite'))
  const vars = {
    ...journeySettings,
    LOG_LEVEL: 'debug',
    JWT_SECRET: 'a JWT secret that only tests know',
    ENCRYPTION_KEY: '5a'.repeat(32),
    UPSTASH_REDIS_REST_URL: bridge.url,
    UPSTASH_REDIS_REST_TOKEN: token,
    ...settings,
  }
  const log: string[] = []
  // Miniflare alone, not wrangler's own servers: those stand between the Worker and the network,
  // and hide disconnects, redirects and resets from it.
  const start = async () => {
    const { compatibility_date, compatibility_flags } = unstable_readConfig({ config: configPath })
    const worker = new Miniflare(
      convertV4MiniflareOptions({
        modules: true,
        script: await buildWorker(),
        compatibilityDate: compatibility_date ?? '',
        compatibilityFlags: compatibility_flags,
        bindings: vars,
        cf: false,
        host: '127.0.0.1',
        port: 0,
        handleStructuredLogs: ({ message }) => void log.push(message),
      }),
    )
    return { worker, url: (await worker.ready).origin }
  }
  let running = await start()
  return {
    get url() {
      return running.url
    },
    adminPassword: vars.ADMIN_PASSWORD,
    noticesQuietLeave: false,
    log,
    async restart() {
      await running.worker.dispose()
      running = await start()
    },
    async close() {
      await running.worker.dispose()
      await bridge.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
