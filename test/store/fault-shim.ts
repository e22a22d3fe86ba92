/** An engine behind an unreliable network: requests and replies get lost, late and doubled, processes die. */
import type { Engine } from '../../src/store/redis.ts'

export type Fault =
  | 'none'
  /** Never executed; the caller sees an error. */
  | 'drop-request'
  /** Executed; the caller sees an error. */
  | 'drop-reply'
  /** The caller sees an error, and the request executes at some later time. */
  | 'late'
  /** Executed; the caller sees this reply, and the request executes again later. */
  | 'duplicate'

type Request = Parameters<Engine['request']>[0]
type Response = Awaited<ReturnType<Engine['request']>>

interface Packet<Call> {
  process: string
  call: Call
  request: Request
  fault: Fault
  /** Absent: nobody waits for the answer any more. */
  caller?: { resolve(response: Response): void; reject(error: Error): void }
}

/** What the store executed, whether or not anybody heard of it. */
export interface Execution<Call> {
  call: Call
  result: unknown
}

export type Network<Call> = ReturnType<typeof createNetwork<Call>>

/**
 * Holds every request back until `deliver` picks it, so that the driver decides the order of all
 * commands of all processes; `chooseFault` decides the fate of each.
 */
export function createNetwork<Call>(engine: Engine, chooseFault: () => Fault) {
  const inFlight: Packet<Call>[] = []
  const crashed = new Set<string>()

  async function execute(packet: Packet<Call>): Promise<Response> {
    const response = await engine.request(packet.request).catch((error: Error) => {
      if (error.message.includes('NOSCRIPT')) return { error: error.message }
      throw error
    })
    if (response.error && !response.error.includes('NOSCRIPT')) throw new Error(response.error)
    return response
  }

  return {
    inFlight,
    isAlive: (process: string) => !crashed.has(process),

    /** An engine as `process` sees it, for one `call`; the label tells the driver what was executed. */
    connect(process: string, call: Call): Engine {
      const send = (request: Request) =>
        new Promise<Response>((resolve, reject) => {
          if (crashed.has(process)) return
          inFlight.push({
            process,
            call,
            request,
            fault: chooseFault(),
            caller: { resolve, reject },
          })
        })
      return { request: send as Engine['request'], close: async () => {} }
    },

    /** Stops `process` for good: what it sent may still arrive, and it never hears of anything again. */
    crash(process: string): void {
      crashed.add(process)
      for (const packet of inFlight) if (packet.process === process) delete packet.caller
    },

    /** Lets the packet at `index` meet its fate. @returns what was executed, if anything was. */
    async deliver(index: number): Promise<Execution<Call> | undefined> {
      const [packet] = inFlight.splice(index, 1)
      if (!packet) return undefined
      const { fault, caller, ...rest } = packet
      if (fault === 'late') inFlight.push({ ...rest, fault: 'none' })
      if (fault === 'late' || fault === 'drop-request') {
        caller?.reject(new Error(`${fault}: no reply`))
        return undefined
      }
      const response = await execute(packet)
      if (fault === 'duplicate') inFlight.push({ ...rest, fault: 'none' })
      if (fault === 'drop-reply') caller?.reject(new Error('drop-reply: no reply'))
      else caller?.resolve(response)
      return response.error ? undefined : { call: packet.call, result: response.result }
    },
  }
}

export type Tape = ReturnType<typeof createTape>

/** Decisions read from a list of numbers; a spent list decides for the harmless choice, so that lists shrink. */
export function createTape(numbers: number[]) {
  let position = 0
  const next = () => numbers[position++] ?? 0
  return {
    isSpent: () => position >= numbers.length,
    /** A number below `count`; 0 is the harmless one. */
    pick: (count: number) => next() % count,
    chance: (percent: number) => next() % 100 >= 100 - percent,
    oneOf<T>(first: T, ...others: T[]): T {
      const index = next() % (others.length + 1)
      return index === 0 ? first : (others[index - 1] ?? first)
    },
  }
}
