/** Three loopback upstreams of a storm: they fail as drawn or answer, and remember all they did. */
import { setTimeout as delay } from 'node:timers/promises'
import { startRawUpstream } from '../raw-upstream.ts'
import {
  anthropicJson,
  anthropicStream,
  type Behaviour,
  type Exchange,
  json,
  type Served,
  startUpstream,
} from '../upstream.ts'
import { type Draw, drawOf } from './draw.ts'
import { type FaultKind, faultKinds } from './faults.ts'
import { sayingOf } from './orders.ts'

/** A failure as it was dealt. */
export interface DealtFault {
  requestId: string
  account: string
  kind: FaultKind
  atMs: number
  endMs: number | undefined
}

/** An answer as it was given. */
export interface GivenAnswer {
  requestId: string
  account: string
  model: string
  served: Served
}

/** `healthy`, or the ways in which accounts fail: each once before any comes again. */
export type Role = 'healthy' | readonly FaultKind[]

export interface StormUpstreams {
  /** The names of the accounts, which are their credentials too. */
  names: readonly string[]
  urlOf(name: string): string
  /** Where nobody speaks TLS. */
  garbageUrl: string
  faults: DealtFault[]
  answers: GivenAnswer[]
  /** Requests that a redirect has led astray. */
  trapped(): number
  /** Connections to `garbageUrl`. */
  garbled(): number
  /** Accounts that are given a role together share its failures. */
  assign(names: readonly string[], role: Role): void
  close(): Promise<void>
}

/** Deals the next kind of failure that befalls other requests than `these` alone. */
type Deck = (these: 'stream' | 'json') => FaultKind

function deckOf(kinds: readonly FaultKind[], draw: Draw): Deck {
  let cards = draw.shuffle(kinds)
  return (these) => {
    const next = () => cards.findIndex(({ befalls }) => befalls !== these)
    if (next() < 0) cards = [...cards, ...draw.shuffle(kinds)]
    const [kind] = cards.splice(next(), 1)
    if (!kind) throw new Error('No failure befalls this request')
    return kind
  }
}

export const accountNames = ['sk-ant-one', 'sk-ant-two', 'sk-ant-three'] as const

/** Where a connection is refused: the port is privileged, and of a service that nobody runs. */
export const refusingUrl = 'http://127.0.0.1:1'

/** Starts the upstreams, all of them healthy; each answer begins after up to `thinkMs`. */
export async function startStormUpstreams(seed: number, thinkMs: number): Promise<StormUpstreams> {
  const faults: DealtFault[] = []
  const answers: GivenAnswer[] = []
  const decks = new Map<string, Deck | undefined>()
  const trap = await startUpstream()
  trap.respond(json(500, {}))
  const garbage = await startRawUpstream((socket) => socket.end('This is not TLS.\r\n'))

  const behave =
    (name: string): Behaviour =>
    (exchange) => {
      const requestId = String(exchange.request.headers['x-request-id'])
      const deck = decks.get(name)
      if (!deck) return answer(name, requestId, exchange)
      const draw = drawOf(seed, requestId, name)
      const { stream } = JSON.parse(exchange.request.body.toString())
      const kind = deck(stream ? 'json' : 'stream')
      const atMs = Date.now()
      const { behaviour, endMs } = kind.draw({ draw, nowMs: atMs, trapUrl: trap.url })
      faults.push({ requestId, account: name, kind, atMs, endMs })
      return behaviour(exchange)
    }

  async function answer(name: string, requestId: string, exchange: Exchange): Promise<void> {
    const { stream, model } = JSON.parse(exchange.request.body.toString())
    answers.push({ requestId, account: name, model, served: exchange.served })
    const draw = drawOf(seed, requestId, 'answer')
    const usage = {
      input_tokens: 1 + draw.below(5_000),
      output_tokens: 1 + draw.below(900),
      cache_creation_input_tokens: draw.percent(30) ? draw.below(3_000) : 0,
      cache_read_input_tokens: draw.percent(50) ? draw.below(30_000) : 0,
    }
    const text = sayingOf(name, requestId)
    const chunking = draw.pick(['event', 'event', 'random'] as const)
    const deltas = text.split(/(?<= )/)
    await delay(draw.below(thinkMs), undefined, { signal: exchange.over })
    const give = stream
      ? anthropicStream({ deltas, usage, chunking })
      : anthropicJson({ text, usage })
    return give(exchange)
  }

  const servers = await Promise.all(
    accountNames.map(async (name) => {
      const server = await startUpstream()
      server.respond(behave(name))
      return [name, server] as const
    }),
  )
  const urls = new Map<string, string>(servers.map(([name, { url }]) => [name, url]))
  return {
    names: accountNames,
    urlOf: (name) => urls.get(name) ?? '',
    garbageUrl: garbage.url.replace('http:', 'https:').replace(/\/$/, ''),
    faults,
    answers,
    trapped: () => trap.requests.length,
    garbled: garbage.connections,
    assign(names, role) {
      const isWell = role === 'healthy'
      const deck = isWell ? undefined : deckOf(role, drawOf(seed, ...names, faults.length))
      for (const name of names) decks.set(name, deck)
      // What was kept of earlier requests is not needed any more.
      for (const [, { requests, served }] of servers) requests.length = served.length = 0
    },
    async close() {
      await Promise.all(
        [...servers.map(([, server]) => server), trap, garbage].map((s) => s.close()),
      )
    },
  }
}

/** Failures that are known at once and rest the account for two seconds at first. */
export const briefKinds: readonly FaultKind[] = faultKinds.filter(
  ({ reason, waits }) =>
    !waits && ['connect_failed', 'server_error', 'bad_answer', 'timeout'].includes(reason),
)
