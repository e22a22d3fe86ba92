/** Entry of the REST bridge, through which Workers reach a store on this machine. */
import { randomBytes } from 'node:crypto'
import type { Server } from 'node:http'
import { createAdaptorServer } from '@hono/node-server'
import { loadBridgeConfig } from '../node/bridge/config.ts'
import { createRestBridge } from '../node/bridge/rest-bridge.ts'
import { openDataDir } from '../node/data-dir.ts'
import { openEngine } from '../node/engine.ts'
import { readEnvironment } from '../node/environment.ts'
import { closeServer, listen, runServer } from '../node/server.ts'

async function startBridge(say: (text: string) => void): Promise<() => Promise<void>> {
  const config = loadBridgeConfig(readEnvironment(process.env))
  const { BRIDGE_HOST: host, BRIDGE_PORT: port } = config
  const token = config.BRIDGE_TOKEN ?? randomBytes(24).toString('base64url')
  if (!config.REDIS_URL) openDataDir(config.DATA_DIR)
  const { name, engine } = await openEngine(config)
  const bridge = createRestBridge({ engine, token })
  const server = createAdaptorServer({ fetch: bridge.fetch }) as Server
  try {
    const url = await listen(server, { host, port, settings: 'BRIDGE_PORT, BRIDGE_HOST' })
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

await runServer(() => startBridge((text) => process.stdout.write(`${text}\n`)))
