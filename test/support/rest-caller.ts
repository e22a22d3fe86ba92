/** Raw requests to a bridge over an empty embedded engine, which tests of one file share. */
import { afterAll, beforeAll, beforeEach } from 'vitest'
import { createEmbeddedEngine } from '../../src/node/engines/embedded/engine.ts'
import type { Engine } from '../../src/store/redis.ts'
import { result } from '../engines/steps.ts'
import { type ServedBridge, serveBridge } from './rest-bridge.ts'

export interface CallOptions {
  method?: string
  body?: unknown
  headers?: Record<string, string>
}

/** Registers the bridge with the hooks of the calling file. */
export function useBridge(maxBodyBytes?: number) {
  let engine: Engine | undefined
  let served: ServedBridge | undefined
  beforeAll(async () => {
    engine = createEmbeddedEngine({ path: ':memory:' })
    served = await serveBridge(engine, maxBodyBytes)
  })
  beforeEach(async () => {
    await result(used.engine, 'FLUSHALL')
  })
  afterAll(async () => {
    await served?.close()
    await engine?.close()
  })
  const opened = <T>(value: T | undefined): T => {
    if (value === undefined) throw new Error('The bridge has not been started')
    return value
  }

  const used = {
    get engine() {
      return opened(engine)
    },
    get bridge() {
      return opened(served)
    },

    /** Sends a request with the token; a body that is neither text nor bytes goes out as JSON. */
    async call(path: string, { method = 'POST', body, headers }: CallOptions = {}) {
      const { url, token } = used.bridge
      const isRaw = typeof body === 'string' || body instanceof Uint8Array
      const response = await fetch(url + path, {
        method,
        headers: { authorization: `Bearer ${token}`, ...headers },
        ...(body !== undefined && { body: isRaw ? body : JSON.stringify(body) }),
      } as RequestInit)
      const text = await response.text()
      const answer = text && JSON.parse(text)
      return { status: response.status, headers: response.headers, answer }
    },

    /** The status and the body of the answer. */
    async ask(path: string, options?: CallOptions) {
      const { status, answer } = await used.call(path, options)
      return [status, answer]
    },
  }
  return used
}
