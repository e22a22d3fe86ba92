/** The REST bridge as a server of its own, over the store that the settings name. */
import { randomBytes } from 'node:crypto'
import type { Server } from 'node:http'
import { createAdaptorServer } from '@hono/node-server'
import { openEngine } from '../engines/open-engine.ts'
import { closeServer, listen } from '../server.ts'
import { openDataDir } from '../settings/data-dir.ts'
import { type Environment, readEnvironment } from '../settings/environment.ts'
import { loadBridgeConfig } from './config.ts'
import { createRestBridge } from './rest-bridge.ts'

/**
 * Starts the bridge, and says the address and, when it was generated, the token.
 * @param stopped ends the start: it rejects with the reason.
 * @returns what closes the bridge and its store.
 * @throws ConfigError and engine errors that name the setting at fault.
 */
export async function startBridge(
  environment: Environment,
  say: (text: string) => void,
  stopped: AbortSignal,
): Promise<() => Promise<void>> {
  const { given, questions } = readEnvironment(environment)
  for (const { setting, message } of questions) say(`${setting}: ${message}`)
  const config = loadBridgeConfig(given)
  const { BRIDGE_HOST: host, BRIDGE_PORT: port } = config
  const token = config.BRIDGE_TOKEN ?? randomBytes(24).toString('base64url')
  if (!config.REDIS_URL) openDataDir(config.DATA_DIR)
  const { name, engine } = await openEngine(config, stopped)
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
