/** The typed client over an engine: raw replies, and errors that tell nothing of their commands. */
import { Redis } from '@upstash/redis'
import { GatewayError } from '../errors.ts'

type Requester = Exclude<ConstructorParameters<typeof Redis>[0], { url: unknown }>

/** The seam that engines implement: one method that executes raw commands. */
export type Engine = Requester & { close(): Promise<void> }

class RawRedis extends Redis {
  constructor(requester: Requester) {
    super(requester)
    // The client would turn "123" into a number and "null" into null: money and ids are text here.
    this.opts = { automaticDeserialization: false }
  }
}

/** Replies by which a store says that it cannot serve now, rather than that the command is wrong. */
const notServing =
  /^(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|OOM|NOAUTH|WRONGPASS|NOPERM|MISCONF|TRYAGAIN|BUSY)\b/

/**
 * Wraps an engine in the typed Upstash client. Its calls throw GatewayError `store_unavailable` when
 * the store does not answer or cannot serve; any other error is a fault of the command itself.
 */
export function createRedis(engine: Engine): Redis {
  return new RawRedis({
    readYourWrites: false,
    async request(request) {
      let reply: Awaited<ReturnType<Engine['request']>>
      try {
        reply = await engine.request(request)
      } catch (cause) {
        throw unavailable(cause)
      }
      // The client's own errors quote the whole command, secrets included, so they end here.
      const text = Array.isArray(reply) ? undefined : reply.error
      if (text === undefined || text.startsWith('NOSCRIPT')) return reply as never
      if (notServing.test(text)) throw unavailable(new Error(text))
      throw new Error(`The store refused a command: ${text}`)
    },
  })
}

function unavailable(cause: unknown): GatewayError {
  return new GatewayError('store_unavailable', 'The gateway cannot reach its store', { cause })
}
