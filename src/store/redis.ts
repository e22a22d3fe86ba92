/** The typed client over an engine, with every reply left as the raw string the store holds. */
import { Redis } from '@upstash/redis'

/** The seam that engines implement: one method that executes raw commands. */
export type Engine = Exclude<ConstructorParameters<typeof Redis>[0], { url: unknown }> & {
  close(): Promise<void>
}

class RawRedis extends Redis {
  constructor(engine: Engine) {
    super(engine)
    // The client would turn "123" into a number and "null" into null: money and ids are text here.
    this.opts = { automaticDeserialization: false }
  }
}

/** Wraps an engine in the typed Upstash client without decoding of replies. */
export function createRedis(engine: Engine): Redis {
  return new RawRedis(engine)
}
