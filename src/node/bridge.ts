/** Entry of the REST bridge, through which Workers reach a store on this machine. */
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parseEnv } from 'node:util'
import { createAdaptorServer } from '@hono/node-server'
import { type BridgeConfig, loadBridgeConfig } from './bridge-config.ts'
import { openDataDir } from './data-dir.ts'
import { openEngine } from './engine.ts'
import { createRestBridge } from './rest-bridge.ts'

const settingsFile = '.dev.vars'

/** The same order as the gateway's: the process environment, then `.dev.vars`. */
function readConfig(): BridgeConfig {
  const file = existsSync(settingsFile) ? parseEnv(readFileSync(settingsFile, 'utf8')) : {}
  const given = Object.entries(process.env).filter(([, value]) => value)
  return loadBridgeConfig({ ...file, ...Object.fromEntries(given) })
}

function listen(server: Server, { BRIDGE_HOST, BRIDGE_PORT }: BridgeConfig): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', () =>
      reject(new Error(`BRIDGE_PORT, BRIDGE_HOST: cannot listen on ${BRIDGE_HOST}:${BRIDGE_PORT}`)),
    )
    server.listen(BRIDGE_PORT, BRIDGE_HOST, () => {
      const { address, port, family } = server.address() as AddressInfo
      resolve(`http://${family === 'IPv6' ? `[${address}]` : address}:${port}`)
    })
  })
}

/** Lets running requests end, but for no longer than one may take. */
async function closeServer(server: Server, timeoutMs: number): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve))
  // A kept-alive connection becomes idle only when its last answer is out.
  const closeIdle = setInterval(() => server.closeIdleConnections(), 20)
  const closeAll = setTimeout(() => server.closeAllConnections(), timeoutMs)
  await closed
  clearInterval(closeIdle)
  clearTimeout(closeAll)
}

async function startBridge(say: (text: string) => void): Promise<() => Promise<void>> {
  const config = readConfig()
  const token = config.BRIDGE_TOKEN ?? randomBytes(24).toString('base64url')
  if (!config.REDIS_URL) openDataDir(config.DATA_DIR)
  const { name, engine } = await openEngine(config)
  const bridge = createRestBridge({ engine, token })
  const server = createAdaptorServer({ fetch: bridge.fetch }) as Server
  try {
    const url = await listen(server, config)
    say(`The REST bridge serves the ${name} store on ${url}`)
    if (config.BRIDGE_TOKEN === undefined) {
      say(`UPSTASH_REDIS_REST_URL=${url}\nUPSTASH_REDIS_REST_TOKEN=${token}`)
    }
  } catch (error) {
    await engine.close()
    throw error
  }
  return async () => {
    await closeServer(server, config.STORE_TIMEOUT_MS)
    await engine.close()
  }
}

// Whatever the store writes is for its owner only.
process.umask(0o077)

try {
  const close = await startBridge((text) => process.stdout.write(`${text}\n`))
  let stopping = false
  const stop = async () => {
    // A second signal means now.
    if (stopping) process.exit(1)
    stopping = true
    await close()
    process.exit(0)
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(1)
}
