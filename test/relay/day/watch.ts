/** Watches the store while the day goes by: who rests, for how long, and who is asked all the same. */
import { probeMs } from '../../../src/relay/admit.ts'
import { decodeHealth, type HealthRecord } from '../../../src/store/records/health.ts'
import { decodeLoad } from '../../../src/store/records/load.ts'
import type { Attempt } from './upstream.ts'
import { type AccountName, accountNames, southConcurrency, type World } from './world.ts'

const minute = 60_000
const hour = 60 * minute
export const sampleMs = minute
/** How long a probe keeps others away, unless the account was silent before. */
const briefProbeMs = 5_000
/** A session is at home for so long after it was served there: the default of the setting. */
const warmMs = 300_000

/** One health record. */
export type Rest = HealthRecord

/** The longest rest that each reason may bring; a rate limit ends when its vendor said. */
const longestMs: Record<string, number> = {
  connect_failed: 5 * minute,
  timeout: 5 * minute,
  server_error: 5 * minute,
  bad_answer: 5 * minute,
  overloaded: minute,
  rate_limited: 3 * hour,
  account_refused: 30 * minute,
}

/** When a rest is over for the only account that is left, at the earliest. */
const onlyEndMs = ({ sinceMs, failures, reason }: Rest) =>
  sinceMs + Math.min(500 * 2 ** (failures - 1), reason === 'rate_limited' ? 15_000 : 5_000)

/** Whether an attempt may have filled the prompt cache: what broke after seconds was accepted first. */
const hasWarmed = ({ outcome, startedMs, endedMs }: Attempt) =>
  outcome !== 'failed' || endedMs - startedMs > 1_000

export interface Sample {
  atMs: number
  resting: Set<AccountName>
}

export function readRest(packed: string | undefined): Rest | undefined {
  return decodeHealth(packed)
}

export function createWatch(world: () => World) {
  const samples: Sample[] = []
  const hammered: string[] = []
  const endless: string[] = []
  const crowded: string[] = []
  const strayed: string[] = []
  const held: string[] = []
  /** By field, as last seen, and the probe that was sent for it. */
  const known = new Map<string, Rest & { seenMs: number }>()
  const probes = new Map<string, { attempt: Attempt; sinceMs: number }>()
  const sessions = new Map<string, Attempt[]>()
  let probeCount = 0
  const movedAtMs: number[] = []

  function checkRecord(field: string, rest: Rest, atMs: number) {
    const longest = longestMs[rest.reason] ?? 0
    if (rest.untilMs > atMs + probeMs && rest.untilMs - rest.sinceMs > longest) {
      endless.push(`${field} until ${rest.untilMs} at ${atMs}`)
    }
    const probe = probes.get(field)
    if (probe?.sinceMs !== rest.sinceMs) return
    const { outcome, decidedMs = atMs } = probe.attempt
    const isWell = outcome === 'answering' || outcome === 'complete'
    if (isWell && decidedMs < atMs) held.push(`${field} at ${atMs}`)
  }

  /** An account that rests may be asked by one request: the one that has just claimed its probe. */
  function checkRest(health: Map<string, string>, attempt: Attempt) {
    const { account, startedMs, ask } = attempt
    const id = world().idOf(account)
    for (const field of [id, `${id}/${ask.family}`]) {
      const rest = readRest(health.get(field))
      // What failed in this very moment was not known to the request that is sent in it.
      if (!rest || rest.sinceMs === startedMs) continue
      // Even a rest that has ended: whoever comes first claims the probe, and nobody comes beside it.
      const before = known.get(field)
      const isKnown = before?.sinceMs === rest.sinceMs && before.seenMs < startedMs
      const isOver = !isKnown || before.untilMs <= startedMs || isOverAlone(health, attempt, before)
      const claimMs = rest.reason === 'timeout' ? probeMs : briefProbeMs
      if (isOver && rest.isProbing && rest.untilMs === startedMs + claimMs) {
        attempt.isProbe = true
        probes.set(field, { attempt, sinceMs: rest.sinceMs })
      } else hammered.push(`${account} ${ask.family} at ${startedMs}: ${health.get(field)}`)
    }
    if (attempt.isProbe) probeCount++
  }

  /** Whether its rest is over because no other account can serve: each rests, or is at its limit. */
  function isOverAlone(health: Map<string, string>, attempt: Attempt, rest: Rest) {
    const { account, ask, startedMs, inflight } = attempt
    if (rest.isProbing || rest.reason === 'account_refused') return false
    const others = accountNames.filter((name) => name !== account)
    const areOut = others.every(
      (name) =>
        isResting(health, name, ask.family, startedMs) ||
        (name === 'south' && (inflight.south ?? 0) >= southConcurrency),
    )
    return areOut && onlyEndMs(rest) <= startedMs
  }

  function isResting(
    health: Map<string, string>,
    account: AccountName,
    family: string,
    atMs: number,
  ) {
    const id = world().idOf(account)
    return [id, `${id}/${family}`].some((field) => {
      const rest = readRest(health.get(field))
      return rest !== undefined && rest.untilMs > atMs
    })
  }

  function observe(health: Map<string, string>, atMs: number) {
    for (const [field, packed] of health) {
      const rest = readRest(packed)
      if (!rest) continue
      checkRecord(field, rest, atMs)
      known.set(field, { ...rest, seenMs: atMs })
    }
  }

  const inflightOf = (load: Map<string, string>, account: AccountName) =>
    decodeLoad(load.get(world().idOf(account))).inflight

  /** A session may leave an account that could serve it only for a home that is still warm. */
  function checkSession(health: Map<string, string>, attempt: Attempt) {
    const { ask, account, startedMs, inflight } = attempt
    if (ask.session === undefined) return
    const past = sessions.get(ask.session) ?? []
    sessions.set(ask.session, past)
    const latest = past.at(-1)
    const isFirst = !past.some((each) => each.ask.number === ask.number)
    past.push(attempt)
    if (!latest || latest.account === account) return
    movedAtMs.push(startedMs)
    const wasResting = isResting(health, latest.account, ask.family, startedMs)
    const isFull = latest.account === 'south' && (inflight.south ?? 0) >= southConcurrency
    // Who only failed it holds no session, and what a quota is worth is checked by itself.
    const isAble = latest.outcome !== 'failed' && latest.account !== 'west'
    if (!isFirst || wasResting || isFull || !isAble) return
    const served = past.findLast(
      (each) => each !== attempt && each.account === account && hasWarmed(each),
    )
    if (served && startedMs - served.startedMs <= warmMs) return
    strayed.push(`${ask.session} at ${startedMs}: ${latest.account} to ${account}`)
  }

  return {
    samples,
    hammered,
    endless,
    crowded,
    strayed,
    held,
    sessions,
    movedAtMs,
    probes: () => probeCount,
    async onAttempt(attempt: Attempt) {
      const [health, load] = await Promise.all([world().health(), world().load()])
      for (const name of accountNames) attempt.inflight[name] = inflightOf(load, name)
      checkRest(health, attempt)
      observe(health, attempt.startedMs)
      checkSession(health, attempt)
      const { south = 0 } = attempt.inflight
      if (south > southConcurrency) crowded.push(`south carries ${south}`)
    },
    /** Notes who rests, once a minute. */
    async sample() {
      const atMs = world().time.now()
      const health = await world().health()
      observe(health, atMs)
      const resting = accountNames.filter((name) =>
        [...health].some(([field, packed]) => {
          const isOf = field.split('/')[0] === world().idOf(name)
          return isOf && (readRest(packed)?.untilMs ?? 0) > atMs
        }),
      )
      samples.push({ atMs, resting: new Set(resting) })
    },
  }
}
