/** The two hosts that the demo can show, each with a store of its own in a given directory. */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createEmbeddedEngine } from '../../node/engines/embedded/engine.ts'
import { startNode } from '../../node/host.ts'
import { openLocalBridge } from '../worker/local-bridge.ts'
import { root, runWrangler } from '../worker/wrangler.ts'

export interface DemoHost {
  url: string
  close(): Promise<void>
}

/** Starts a gateway whose data lives in `directory`; `signal` ends the start. */
export type StartDemoHost = (
  directory: string,
  adminPassword: string,
  signal: AbortSignal,
) => Promise<DemoHost>

const settings = { ALLOW_PRIVATE_UPSTREAMS: 'true', LOG_LEVEL: 'silent' }

/** The Node host, as `npm start` starts it. */
export const startOnNode: StartDemoHost = async (directory, adminPassword, signal) => {
  const environment = { ...settings, PORT: '0', DATA_DIR: directory, DRAIN_TIMEOUT_SECONDS: '2' }
  const silent = () => {}
  return startNode({ ...environment, ADMIN_PASSWORD: adminPassword }, silent, silent, signal)
}

async function bundleWorker(directory: string, signal: AbortSignal): Promise<string> {
  const outdir = join(directory, 'bundle')
  await runWrangler(['deploy', '--dry-run', '--minify', '--outdir', outdir], signal)
  return readFileSync(join(outdir, 'worker.js'), 'utf8')
}

/** The Worker as it would be deployed, in workerd. */
export const startInWorkerd: StartDemoHost = async (directory, adminPassword, signal) => {
  const bundling = bundleWorker(directory, signal)
  // Large, and only this host needs them: they load while the bundle is made.
  const tools = Promise.all([import('miniflare'), import('wrangler')])
  const [script, [{ convertV4MiniflareOptions, Miniflare }, wrangler]] = await Promise.all([
    bundling,
    tools,
  ])
  const { compatibility_date = '', compatibility_flags } = wrangler.unstable_readConfig({
    config: join(root, 'wrangler.toml'),
  })
  const engine = createEmbeddedEngine({ path: join(directory, 'store.sqlite') })
  const bridge = await openLocalBridge(engine)
  const worker = new Miniflare(
    convertV4MiniflareOptions({
      modules: true,
      script,
      compatibilityDate: compatibility_date,
      compatibilityFlags: compatibility_flags,
      bindings: {
        ...settings,
        ...bridge.settings,
        ADMIN_PASSWORD: adminPassword,
        JWT_SECRET: randomBytes(32).toString('hex'),
        ENCRYPTION_KEY: randomBytes(32).toString('hex'),
      },
      cf: false,
      host: '127.0.0.1',
      port: 0,
      handleStructuredLogs: () => {},
    }),
  )
  const close = async () => {
    await worker.dispose()
    await bridge.close()
    await engine.close()
  }
  try {
    return { url: (await worker.ready).origin, close }
  } catch (error) {
    await close()
    throw error
  }
}
