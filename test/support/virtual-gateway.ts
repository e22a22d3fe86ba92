/** A whole gateway in virtual time: its clock and its store's are one, and its upstream is simulated. */
import { createEmbeddedEngine } from '../../src/node/engines/embedded/engine.ts'
import type { Runtime } from '../../src/runtime.ts'
import type { Engine } from '../../src/store/redis.ts'
import { createTestGateway, type TestGateway, type TestGatewayOptions } from './gateway.ts'
import { createVirtualTime, type VirtualTime } from './virtual-time.ts'

export interface VirtualGatewayOptions
  extends Omit<TestGatewayOptions, 'engine' | 'fetch' | 'now' | 'clock'> {
  startMs: number
  /** The upstream: a socket knows no virtual time. */
  fetch: Runtime['fetch']
}

export interface VirtualGateway extends TestGateway {
  time: VirtualTime
}

/** Composes it over a store in memory. Nothing in it waits for real time. */
export function createVirtualGateway({
  startMs,
  ...options
}: VirtualGatewayOptions): VirtualGateway {
  // The commits of the store are neither timers nor promises at hand: time waits for its answers.
  let unanswered = 0
  const time = createVirtualTime(startMs, () => unanswered > 0)
  const store = createEmbeddedEngine({ path: ':memory:', now: time.now })
  const engine: Engine = {
    ...store,
    async request(request) {
      unanswered++
      try {
        return await store.request(request)
      } finally {
        unanswered--
      }
    },
  }
  const gateway = createTestGateway({ ...options, engine, clock: time })
  return {
    ...gateway,
    time,
    async close() {
      await gateway.close()
      await store.close()
    },
  }
}
