/** What clients ask on a simulated day: how many, when, in which sessions, and for how long. */
import type { KeyName } from './world.ts'

const minute = 60_000
const hour = 60 * minute
const dayMs = 24 * hour

export interface Ask {
  /** Names it to the upstream, in the body. */
  number: number
  atMs: number
  key: KeyName
  session: string | undefined
  family: 'opus' | 'sonnet' | 'haiku'
  stream: boolean
  firstByteMs: number
  /** Until the whole answer is there. */
  durationMs: number
  inputTokens: number
  outputTokens: number
  /** The client leaves then, if it has no answer yet. */
  leavesAfterMs: number | undefined
}

export type Random = () => number

/** Mulberry32: small, and the same on each run. */
export function createRandom(seed: number): Random {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const between = (random: Random, low: number, high: number) =>
  Math.round(low + random() * (high - low))

/** Many short and few long, as durations are. */
const skewed = (random: Random, low: number, high: number) =>
  Math.round(low * (high / low) ** random())

/** A moment of the day: the most at three in the afternoon, the fewest before six. */
function momentOf(random: Random): number {
  for (;;) {
    const ms = random() * dayMs
    const busy = Math.max(0, Math.sin((Math.PI * (ms - 6 * hour)) / (18 * hour)))
    if (random() < 0.15 + 0.85 * busy) return Math.round(ms)
  }
}

/** A rush of requests, so that the moment in which everything fails is not a quiet one. */
const rush = { fromMs: 14.48 * hour, toMs: 14.55 * hour, share: 0.02 }
const moments = (random: Random, count: number) =>
  Array.from({ length: count }, (_, i) =>
    i < count * rush.share ? between(random, rush.fromMs, rush.toMs) : momentOf(random),
  )

interface Session {
  name: string
  key: KeyName
  fromMs: number
  toMs: number
}

const keyOf = (random: Random): KeyName => {
  const share = random()
  return share < 0.5 ? 'team' : share < 0.9 ? 'crew' : 'bound'
}

function sessionsOf(random: Random, startMs: number, day: number, count: number): Session[] {
  return Array.from({ length: count }, (_, i) => {
    const fromMs = startMs + momentOf(random)
    const toMs = fromMs + between(random, 40 * minute, 180 * minute)
    return { name: `session-${day}-${i}`, key: keyOf(random), fromMs, toMs }
  })
}

/** The requests of so many days, in order. */
export function asksOf(
  random: Random,
  { startMs, days, perDay }: { startMs: number; days: number; perDay: number },
): Ask[] {
  const asks: Omit<Ask, 'number'>[] = []
  for (let day = 0; day < days; day++) {
    const midnightMs = startMs + day * dayMs
    const sessions = sessionsOf(random, midnightMs, day, 40)
    for (const ms of moments(random, perDay)) asks.push(ask(random, midnightMs + ms, sessions))
  }
  return asks.sort((a, b) => a.atMs - b.atMs).map((each, number) => ({ number, ...each }))
}

function ask(random: Random, atMs: number, sessions: Session[]): Omit<Ask, 'number'> {
  const open = sessions.filter(({ fromMs, toMs }) => fromMs <= atMs && atMs < toMs)
  const session = random() < 0.75 ? open[Math.floor(random() * open.length)] : undefined
  const isStream = random() < 0.7
  const durationMs = skewed(random, 2_000, 240_000)
  const share = random()
  return {
    atMs,
    key: session?.key ?? keyOf(random),
    session: session?.name,
    family: share < 0.3 ? 'opus' : share < 0.85 ? 'sonnet' : 'haiku',
    stream: isStream,
    firstByteMs: Math.min(durationMs / 2, between(random, 300, 3_000)),
    durationMs,
    inputTokens: between(random, 100, 400),
    outputTokens: Math.min(4_000, Math.round((durationMs / 1_000) * 50)),
    leavesAfterMs: random() < 0.01 ? between(random, 100, durationMs) : undefined,
  }
}

export const modelOf = ({ family }: Ask) =>
  family === 'opus'
    ? 'claude-opus-4-5'
    : family === 'sonnet'
      ? 'claude-sonnet-4-5'
      : 'claude-haiku-4-5'

/** The body; without a session there is nothing in it that one could be derived from. */
export function bodyOf(ask: Ask): string {
  return JSON.stringify({
    model: modelOf(ask),
    stream: ask.stream,
    max_tokens: 4_096,
    metadata: { user_id: `ask-${ask.number}` },
    messages: [],
    stop_sequences: ['x'.repeat(4 * ask.inputTokens)],
  })
}

/** Which request a body belongs to. */
export function numberOf(body: Uint8Array | undefined): number {
  const found = /"ask-(\d+)"/.exec(new TextDecoder().decode(body))
  return Number(found?.[1] ?? -1)
}
