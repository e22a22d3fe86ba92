/** One phase of a storm: two accounts fail, the third is well, and the clients must not notice. */
import { setTimeout as delay } from 'node:timers/promises'
import { drawOf } from './draw.ts'
import { addressFaults, type FaultKind, faultKinds } from './faults.ts'
import { flawOf, type Order, orderOf, type Send, type StormKey } from './orders.ts'
import { briefKinds, refusingUrl, type StormUpstreams } from './upstreams.ts'

/** A call of an administrator below `/api/v2`; throws where it is refused. */
export type Admin = (
  method: string,
  path: string,
  body?: unknown,
) => Promise<ReturnType<typeof JSON.parse>>

export type Address = 'live' | (typeof addressFaults)[number]

/** Where an account was to be found, and how early it was asked, from a moment on. */
export interface Placement {
  account: string
  address: Address
  isFirst: boolean
  /** When this was asked for, and when it was so; unset while nobody can say. */
  atMs: number
  doneMs: number | undefined
}

/** Everything that a storm is made of. */
export interface Stage {
  seed: number
  /** How far two clocks may be apart on one moment; more where the machine is busy. */
  slackMs: number
  send: Send
  admin: Admin
  /** Every line of the gateway's log so far. */
  log: readonly string[]
  upstreams: StormUpstreams
  /** Ids of the accounts by their names. */
  accountIds: ReadonlyMap<string, string>
  keys: readonly StormKey[]
  placements: Placement[]
}

export interface PhasePlan {
  name: string
  healthy: string
  /** Rests run their course; otherwise they are ended all the time, so that failures go on. */
  isCalm: boolean
  /** Numbers of its requests. */
  from: number
  to: number
  concurrency: number
  /** How fast requests are begun; 0 = as fast as they end. */
  perSecond: number
  resetEveryMs: number
  /** Whether accounts fail in ways that only a time-out reveals: never, as well, or in no other. */
  waits: 'never' | 'also' | 'only'
}

export interface Rest {
  models: string
  status: string
  reason: string
  until: string
}

export interface Phase extends PhasePlan {
  orders: Order[]
  /** What clients noticed. */
  flaws: string[]
  seconds: number
  /** The health records of each account once the last request has ended. */
  rests: Map<string, Rest[]>
}

export const pathOf = (stage: Stage, name: string) =>
  `/accounts/claude-console/${stage.accountIds.get(name)}`

/** Runs a phase to its end; afterwards no request is in flight. */
export async function runPhase(stage: Stage, plan: PhasePlan): Promise<Phase> {
  const { upstreams } = stage
  const failing = upstreams.names.filter((name) => name !== plan.healthy)
  for (const name of upstreams.names) {
    await place(stage, { account: name, address: 'live', isFirst: false })
    await stage.admin('POST', `${pathOf(stage, name)}/reset-rate-limit`)
  }
  assignRoles(stage, plan, failing)
  const begunMs = performance.now()
  const over = new AbortController()
  const restless = plan.isCalm ? [] : failing
  const unrest = restless.map((name, index) =>
    keepFailing(stage, plan, { name, index }, over.signal),
  )
  const { orders, flaws } = await drive(stage, plan)
  const seconds = (performance.now() - begunMs) / 1000
  over.abort()
  await Promise.all(unrest)
  const rests = new Map<string, Rest[]>()
  for (const name of upstreams.names) {
    rests.set(name, (await stage.admin('GET', pathOf(stage, name))).health.cooldowns)
  }
  return { ...plan, orders, flaws, seconds, rests }
}

/** In a calm phase one account fails briefly, so that it is tried again and its rests grow. */
function assignRoles({ upstreams }: Stage, { healthy, ...plan }: PhasePlan, failing: string[]) {
  const isMeant = (kind: FaultKind) =>
    plan.waits === 'also' || kind.waits === (plan.waits === 'only')
  upstreams.assign([healthy], 'healthy')
  upstreams.assign(failing, faultKinds.filter(isMeant))
  if (plan.isCalm) upstreams.assign(failing.slice(1), briefKinds.filter(isMeant))
}

const ticksPerTurn = 20
/** Every so many turns the address of an account is at fault. */
const turnsPerOutage = 6
const resetsAtOnce = 2

/** Ends the rests of an account again and again, and gives it other places to fail at. */
async function keepFailing(
  stage: Stage,
  plan: PhasePlan,
  { name, index }: { name: string; index: number },
  over: AbortSignal,
): Promise<void> {
  const resets = new Set<Promise<unknown>>()
  for (let tick = 0; !over.aborted; tick++) {
    const turn = tick / ticksPerTurn
    if (Number.isInteger(turn)) {
      const isOutage = plan.waits !== 'only' && turn % turnsPerOutage === 0
      // The two that fail take turns, so that every phase has both.
      const outage = addressFaults[(turn / turnsPerOutage + index) % 2] ?? 'connection refused'
      const { percent } = drawOf(stage.seed, plan.name, name, turn)
      const address = isOutage ? outage : 'live'
      await place(stage, { account: name, address, isFirst: percent(50) })
    }
    if (resets.size < resetsAtOnce) {
      const reset = stage
        .admin('POST', `${pathOf(stage, name)}/reset-rate-limit`)
        .finally(() => resets.delete(reset))
      resets.add(reset)
    }
    await delay(plan.resetEveryMs)
  }
  await Promise.all(resets)
}

/** Gives an account its address, and whether it comes before the others or among them. */
async function place(stage: Stage, wish: Omit<Placement, 'atMs' | 'doneMs'>): Promise<void> {
  const { account, address, isFirst } = wish
  const present = stage.placements.findLast((one) => one.account === account)
  if (present?.address === address && present.isFirst === isFirst) return
  const { urlOf, garbageUrl } = stage.upstreams
  const urls = {
    live: urlOf(account),
    'connection refused': refusingUrl,
    'TLS garbage': garbageUrl,
  }
  const placement: Placement = { ...wish, atMs: Date.now(), doneMs: undefined }
  stage.placements.push(placement)
  const settings = { apiUrl: urls[address], apiKey: account, priority: isFirst ? 10 : 50 }
  await stage.admin('PUT', pathOf(stage, account), settings)
  placement.doneMs = Date.now()
}

async function drive(stage: Stage, plan: PhasePlan): Promise<Pick<Phase, 'orders' | 'flaws'>> {
  const orders: Order[] = []
  const flaws: string[] = []
  const begunMs = performance.now()
  let next = plan.from
  const member = async () => {
    while (next < plan.to) {
      const index = next++
      const order = orderOf(stage.seed, index, stage.keys)
      orders.push(order)
      const dueMs = plan.perSecond ? ((index - plan.from) * 1000) / plan.perSecond : 0
      const earlyMs = begunMs + dueMs - performance.now()
      if (earlyMs > 0) await delay(earlyMs)
      const flaw = await stage
        .send(order)
        .then((answer) => flawOf(order, answer, plan.healthy))
        .catch((error: unknown) => `${error}`)
      if (flaw !== undefined) flaws.push(`${order.id}: ${flaw}`)
    }
  }
  await Promise.all(Array.from({ length: plan.concurrency }, member))
  return { orders, flaws }
}
