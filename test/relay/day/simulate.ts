/** Simulates days of a gateway in virtual time, and hands over everything that happened. */

import type { Sums } from '../../../src/domain/sums.ts'
import { bucketsAt } from '../../../src/ledger/calendar.ts'
import { readKeySums } from '../../../src/ledger/ledger.ts'
import { decodeLoad } from '../../../src/store/records/load.ts'
import { type Ask, asksOf, createRandom } from './asks.ts'
import { createClients } from './clients.ts'
import { type Fault, faultsOf } from './faults.ts'
import { createUpstream } from './upstream.ts'
import { createWatch, readRest, sampleMs } from './watch.ts'
import {
  type AccountName,
  accountNames,
  createWorld,
  keyNames,
  type World,
  westQuotaUsd,
} from './world.ts'

const hour = 60 * 60_000
const startMs = Date.UTC(2026, 2, 2)

export interface SimulateOptions {
  days: number
  perDay: number
  seed: number
}

export type Simulated = Awaited<ReturnType<typeof simulate>>

export async function simulate({ days, perDay, seed }: SimulateOptions) {
  const faults = faultsOf(startMs, days)
  const asks = asksOf(createRandom(seed), { startMs, days, perDay })
  const endMs = startMs + days * 24 * hour + hour
  const first = asks.length
  const again = (ask: Ask) => {
    const repeated = { ...ask, number: asks.length }
    asks.push(repeated)
    return repeated
  }
  const askOf = (number: number) => {
    const ask = asks[number]
    if (!ask) throw new Error(`Nobody asked ${number}`)
    return ask
  }
  const holder: { world?: World } = {}
  const world = () => {
    if (!holder.world) throw new Error('The world is not there yet')
    return holder.world
  }
  const watch = createWatch(world)
  const { onAttempt } = watch
  const time = () => world().time
  const { fetch, attempts } = createUpstream({ time, faults, asks: askOf, onAttempt })
  holder.world = await createWorld(startMs, fetch)
  const { seen, client } = createClients(world(), again)
  const until = async (atMs: number) => {
    const leftMs = atMs - time().now()
    if (leftMs > 0) await time().sleep(leftMs)
  }
  const samplesTaken = async () => {
    for (let atMs = startMs; atMs <= endMs; atMs += sampleMs) {
      await until(atMs)
      await watch.sample()
    }
  }
  const ends: FaultEnd[] = []
  const endsNoted = async () => {
    for (const fault of faults.toSorted((a, b) => a.toMs - b.toMs)) {
      await until(fault.toMs)
      ends.push(...(await endOf(world(), fault)))
    }
  }
  try {
    await time().run(async () => {
      const sampled = Promise.all([samplesTaken(), endsNoted()])
      const clients: Promise<void>[] = []
      for (const ask of asks.slice(0, first)) {
        await until(ask.atMs)
        clients.push(client(ask))
      }
      await Promise.all(clients)
      await sampled
      await world().gateway.deferred()
    })
    const rest = await atRest(world(), asks)
    return { startMs, endMs, days, faults, asks, attempts, seen, watch, ends, rest }
  } finally {
    await world().close()
  }
}

/** How an account stood when a fault of it ended. */
export interface FaultEnd {
  fault: Fault
  account: AccountName
  /** When the last of its rests ends. */
  untilMs: number
  /** Whether its day had cost what it may. */
  isSpent: boolean
}

async function endOf(world: World, fault: Fault): Promise<FaultEnd[]> {
  const [health, load] = await Promise.all([world.health(), world.load()])
  const accounts = fault.account === 'all' ? accountNames : [fault.account]
  return accounts.map((account) => {
    const id = world.idOf(account)
    const ofIt = [...health].filter(([field]) => field.split('/')[0] === id)
    const untils = ofIt.map(([, packed]) => readRest(packed)?.untilMs ?? 0)
    const { spentNanoUsd } = decodeLoad(load.get(id))
    const isSpent = account === 'west' && spentNanoUsd >= westQuotaUsd * 1e9
    return { fault, account, untilMs: Math.max(0, ...untils), isSpent }
  })
}

/** What is in the store when all is over. */
async function atRest(world: World, asks: Ask[]) {
  const { keyspace, gateway, rows } = world
  const { redis } = gateway.runtime
  const usage: Sums[] = []
  const held: string[] = []
  for (const name of keyNames) {
    const { id } = world.keyOf(name)
    const buckets = bucketsAt(world.time.now(), 'UTC')
    usage.push((await readKeySums(redis, keyspace.keyCounters(id), buckets)).total)
    held.push((await rows(keyspace.keyCounters(id))).get('heldNanoUsd') ?? '')
  }
  const sessions = new Map<string, string>()
  for (const { key, session } of asks) {
    if (!session) continue
    sessions.set(session, keyspace.sticky('claude-console', world.keyOf(key).id, session))
  }
  const sticky = (await redis.mget<(string | null)[]>([...sessions.values()])) as (string | null)[]
  const moves = [...sessions.keys()].map((session, i): [string, number] => [
    session,
    Number(sticky[i]?.split('|').at(-1) ?? 0),
  ])
  const leases = [
    keyspace.poolLeases('claude-console'),
    keyspace.orphans,
    ...keyNames.map((name) => keyspace.keyLeases(world.keyOf(name).id)),
  ]
  const leaseCounts = await Promise.all(leases.map((key) => redis.zcard(key)))
  return {
    nowMs: world.time.now(),
    health: await world.health(),
    load: await world.load(),
    idOf: world.idOf,
    usage: add(usage),
    moves: new Map(moves),
    held,
    leases: leaseCounts.reduce((sum, count) => sum + Number(count), 0),
  }
}

const add = (usage: Sums[]): Sums =>
  usage.reduce((one, other) => {
    const entries = Object.entries(one).map(([name, value]) => [
      name,
      value + other[name as keyof Sums],
    ])
    return Object.fromEntries(entries)
  })
