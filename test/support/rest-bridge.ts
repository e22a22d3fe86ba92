/** Serves an engine through the REST bridge on a port of its own. */
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import { createRestBridge } from '../../src/node/bridge/rest-bridge.ts'
import type { Engine } from '../../src/store/redis.ts'

export interface ServedBridge {
  url: string
  token: string
  /** Requests served so far, as `METHOD path`. */
  served: string[]
  close(): Promise<void>
}

/** Starts the bridge; closing it leaves the engine open. */
export async function serveBridge(engine: Engine, maxBodyBytes?: number): Promise<ServedBridge> {
  const token = 'token-of-the-bridge'
  const served: string[] = []
  const bridge = createRestBridge({ engine, token, ...(maxBodyBytes && { maxBodyBytes }) })
  const fetch = (request: Request) => {
    served.push(`${request.method} ${new URL(request.url).pathname}`)
    return bridge.fetch(request)
  }
  const server = createAdaptorServer({ fetch }) as Server
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    token,
    served,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
