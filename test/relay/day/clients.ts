/** The simulated clients: they ask, read to the end, and come back when they were told to. */
import { type Ask, bodyOf } from './asks.ts'
import type { World } from './world.ts'

/** What a client saw of one request. */
export interface Seen {
  ask: Ask
  /** The number of the first request of this client for the same. */
  chain: number
  /** How often the client had asked the same before. */
  tries: number
  /** `refused`: an error before any content. `cut`: one after it. `left`: the client went away. */
  end: 'complete' | 'refused' | 'cut' | 'left'
  status: number
  /** The type of the error, if there was one. */
  error: string | undefined
  retryAfterSeconds: number | undefined
  endedMs: number
}

const maxTries = 60

export interface Clients {
  seen: Seen[]
  /** Asks until it is answered, as patiently as it was told to be. */
  client(first: Ask): Promise<void>
}

/** @param again gives a repeated request a number of its own. */
export function createClients(world: World, again: (ask: Ask) => Ask): Clients {
  const seen: Seen[] = []
  const { time } = world
  return {
    seen,
    async client(first) {
      let ask = first
      for (let tries = 0; tries < maxTries; tries++) {
        const latest = { chain: first.number, tries, ...(await askOnce(world, ask)) }
        seen.push(latest)
        if (latest.end !== 'refused' || latest.retryAfterSeconds === undefined) return
        await time.sleep(latest.retryAfterSeconds * 1_000)
        ask = again({ ...ask, atMs: time.now() })
      }
    },
  }
}

async function askOnce(world: World, ask: Ask): Promise<Omit<Seen, 'chain' | 'tries'>> {
  const { time } = world
  const gone = new AbortController()
  const isOver = new AbortController()
  if (ask.leavesAfterMs !== undefined) {
    time.sleep(ask.leavesAfterMs, isOver.signal).then(
      () => gone.abort(),
      () => {},
    )
  }
  const response = await world.gateway.app.request('/v1/messages', {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-api-key': world.keyOf(ask.key).key,
      ...(ask.session && { 'x-claude-code-session-id': ask.session }),
    },
    body: bodyOf(ask),
    signal: gone.signal,
  })
  const text = await response.text()
  isOver.abort()
  const { status } = response
  // A stream that was kept alive can name no wait: its clients come back after half a second.
  const isLateRefusal = !gone.signal.aborted && status === 200 && endOf(status, text) === 'refused'
  const retryAfter = isLateRefusal ? '0.5' : response.headers.get('retry-after')
  return {
    ask,
    end: gone.signal.aborted ? 'left' : endOf(status, text),
    status,
    error: /"error":\{"type":"(\w+)"/.exec(text)?.[1],
    retryAfterSeconds: retryAfter === null ? undefined : Number(retryAfter),
    endedMs: time.now(),
  }
}

function endOf(status: number, text: string): Seen['end'] {
  const isWhole = text.includes('message_stop') || text.startsWith('{"type":"message"')
  if (status === 200 && isWhole) return 'complete'
  return text.includes('content_block_delta') ? 'cut' : 'refused'
}
