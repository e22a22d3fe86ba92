/** The typed client over an engine: raw replies, and errors that contain nothing of their commands. */
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
    // Nearly all commands are scripts, which need nothing of what the client does for a command.
    const run = async (name: string, script: string, keys: string[], args: unknown[]) => {
      const body = [name, script, keys.length, ...keys, ...args]
      const { result, error } = await requester.request<never>({ body })
      if (error !== undefined) throw new Error(error)
      return result as never
    }
    this.evalsha = (sha, keys, args) => run('evalsha', sha, keys, args)
    this.eval = (lua, keys, args) => run('eval', lua, keys, args)
  }
}

/**
 * Replies by which a store says that it cannot serve now, rather than that the command is wrong. Redis 6
 * quotes what a command of a script was answered with.
 */
const notServing =
  /^(?:ERR Error running script .{0,200}?: -)?(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|OOM|NOAUTH|WRONGPASS|NOPERM|MISCONF|TRYAGAIN|BUSY)\b/

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
      } catch (error) {
        throw unavailable(error)
      }
      // The client's own errors quote the whole command, secrets included, so they end here.
      const text = Array.isArray(reply) ? undefined : reply.error
      if (text === undefined || text.startsWith('NOSCRIPT')) return reply as never
      const [, code] = notServing.exec(text) ?? []
      if (code) throw unavailable(new Error(`The store answers ${code}`))
      throw new Error(`The store refused a command: ${text}`)
    },
  })
}

/** What an engine says of its own connection names a setting first; nothing else is repeated. */
const aboutSetting = /^(The store answers|REDIS_URL|UPSTASH_REDIS_REST_\w+|DATA_DIR)\b/

function unavailable(error: unknown): GatewayError {
  const { name, message } = error instanceof Error ? error : new Error()
  const cause = new Error(aboutSetting.test(message) ? message : name)
  return new GatewayError('store_unavailable', 'The gateway cannot reach its store', { cause })
}
