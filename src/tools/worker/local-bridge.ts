/** A REST bridge on loopback, for a Worker that runs on this machine. */
import { randomBytes } from 'node:crypto'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import { createRestBridge } from '../../node/bridge/rest-bridge.ts'
import type { Engine } from '../../store/redis.ts'

export interface LocalBridge {
  /** What the Worker needs to reach the store. */
  settings: { UPSTASH_REDIS_REST_URL: string; UPSTASH_REDIS_REST_TOKEN: string }
  /** Stops serving; the engine stays open. */
  close(): Promise<void>
}

/** Serves `engine` on a free port, with a token made for this run. */
export async function openLocalBridge(engine: Engine): Promise<LocalBridge> {
  const token = randomBytes(24).toString('base64url')
  const bridge = createRestBridge({ engine, token })
  const server = createAdaptorServer({ fetch: bridge.fetch }) as Server
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    settings: {
      UPSTASH_REDIS_REST_URL: `http://127.0.0.1:${port}`,
      UPSTASH_REDIS_REST_TOKEN: token,
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
