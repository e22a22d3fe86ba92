/** The storm: each pair of three accounts fails in turn, in every way, under many clients. */
import { rateLimitMinutes } from './faults.ts'
import type { Send, StormKey } from './orders.ts'
import { type Admin, type Phase, type PhasePlan, runPhase, type Stage } from './phase.ts'
import type { StormUpstreams } from './upstreams.ts'

export interface StormOptions {
  /** The accounts that are well, one after the other, while the others fail. */
  turns: readonly string[]
  requests: number
  concurrency: number
  /** Ends the rests of the failing accounts this often. */
  resetEveryMs: number
  /** For the phases of unrest. */
  waits: PhasePlan['waits']
  calm: {
    /** How many of the requests find rests that run their course. */
    requests: number
    /** How fast they come; 0 = at once. */
    perSecond: number
    waits: PhasePlan['waits']
  }
}

/** What a host offers to a storm. */
export interface StormHost {
  send: Send
  admin: Admin
  log: readonly string[]
}

/** Creates the accounts and the keys of a storm. */
export async function openStage(
  nature: Pick<Stage, 'seed' | 'slackMs'>,
  host: StormHost,
  upstreams: StormUpstreams,
): Promise<Stage> {
  const accountIds = new Map<string, string>()
  for (const name of upstreams.names) {
    const settings = { apiUrl: upstreams.urlOf(name), rateLimitDuration: rateLimitMinutes }
    const account = { name, apiKey: name, ...settings }
    const { id } = await host.admin('POST', '/accounts/claude-console', account)
    accountIds.set(name, id)
  }
  const keys: StormKey[] = []
  for (const limits of [{}, {}, { concurrencyLimit: 1_000 }, { totalCostLimit: 1_000_000 }]) {
    keys.push(await host.admin('POST', '/keys', { name: 'storm', ...limits }))
  }
  return { ...nature, ...host, upstreams, accountIds, keys, placements: [] }
}

/** Runs all phases: for each account that stays well, one of unrest and a calm one. */
export async function runStorm(stage: Stage, options: StormOptions): Promise<Phase[]> {
  const { turns, requests, waits, calm, concurrency, resetEveryMs } = options
  const phases: Phase[] = []
  let from = 0
  for (const [turn, healthy] of turns.entries()) {
    for (const isCalm of [false, true]) {
      const share = isCalm ? calm.requests : requests - calm.requests
      const upTo = (count: number) => Math.floor((share * count) / turns.length)
      const to = from + upTo(turn + 1) - upTo(turn)
      const name = `${healthy} is well, ${isCalm ? 'rests last' : 'rests are ended'}`
      const pace = isCalm ? calm : { perSecond: 0, waits }
      const plan = { name, healthy, isCalm, from, to, concurrency, resetEveryMs }
      phases.push(await runPhase(stage, { ...plan, perSecond: pace.perSecond, waits: pace.waits }))
      from = to
    }
  }
  return phases
}
