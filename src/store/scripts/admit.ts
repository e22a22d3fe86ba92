/** `admit`: one atomic decision whether a request may run, and on which account. */
import type { Redis } from '@upstash/redis'
import { type Affinity, affinities } from '../../domain/affinity.ts'
import type { Candidate } from '../../domain/candidate.ts'
import {
  type AdmittedUse,
  type CalendarPeriod,
  keyLimits,
  type PerLimit,
} from '../../domain/limits.ts'
import type { Keyspace } from '../keyspace.ts'
import { admitLua } from '../lua/admit.ts'
import { budget, counters, limitFields, periodFields } from '../lua/budget.ts'
import {
  candidateArgs,
  candidateFields,
  candidates,
  kindFields,
  type Roster,
  rosterField,
} from '../lua/candidates.ts'
import { choose, noneFields, skippedFields } from '../lua/choose.ts'
import { health } from '../lua/health.ts'
import { leases, load } from '../lua/load.ts'
import { queue, queueFields, waitFields } from '../lua/queue.ts'
import { sticky } from '../lua/sticky.ts'
import { periods, time } from '../lua/time.ts'
import { runScript } from '../run-script.ts'
import { defineScript } from '../script.ts'
import { oneOf, type ReplyOf } from '../script-declaration.ts'

export interface AdmitInput {
  poolVersion: string
  keyRevision: string
  digest: string
  ledgerId: string
  poolId: string
  keyId: string
  /** Undefined: the request belongs to no session. */
  sessionKey: string | undefined
  /** Digest of an id that only the account which issued it can serve; undefined without one. */
  affinityDigest: string | undefined
  /** It holds what was encrypted for the account that serves its session. */
  hasBoundContent: boolean
  model: string
  /** Of the models that it may become; a budget may count one family only. */
  family: string
  reservationNanoUsd: number
  leaseMs: number
  /** How long other requests do not get a recovering account while it is probed. */
  probeMs: number
  /** How long the prompt cache of a session's primary account is expected to be warm. */
  warmMs: number
  windowMs: number
  /** The names of the present calendar periods, as `bucketsAt` gives them. */
  periods: Record<CalendarPeriod, string>
  /** Requests, or nano-USD for a cost; 0 = no limit. */
  limits: PerLimit<number>
  /** Life counted from first use; 0 = does not end. */
  activationMs: number
  /** Where it stands among requests of its key that wait for their turn. */
  queue: { ticket: string; ticketMs: number }
  candidates: Candidate[]
  /** Of the pool of this version, where the store has it; undefined = the candidates are written out. */
  roster?: Roster | undefined
}

/** `expired`: the life of the key has ended; any other cause is a limit of it. */
const denyCauses = ['expired', ...keyLimits.map(({ cause }) => cause)] as const

const script = defineScript({
  keys: [
    'apiKey',
    'counters',
    'keyLeases',
    'waiting',
    'request',
    'sticky',
    'health',
    'load',
    'leases',
    'orphans',
    'affinity',
  ],
  args: {
    poolVersion: 'text',
    keyRevision: 'text',
    ledgerId: 'text',
    poolId: 'text',
    keyId: 'text',
    model: 'text',
    family: 'text',
    reservationNanoUsd: 'number',
    leaseMs: 'number',
    probeMs: 'number',
    warmMs: 'number',
    windowMs: 'number',
    activationMs: 'number',
    hasSession: 'flag',
    hasAffinity: 'flag',
    hasBoundContent: 'flag',
    periods: periodFields,
    limits: limitFields,
    queue: queueFields,
    candidates: candidateFields,
  },
  poolFields: [rosterField],
  argRows: { kinds: kindFields },
  replies: {
    ok: {
      accountId: 'text',
      /** Counts the accounts this request was given, from 1. */
      generation: 'number',
      expiresAtMs: 'number',
      affinity: oneOf(affinities),
      /** The account's cooldown has just ended, and this request alone tries it. */
      isProbe: 'flag',
      skipped: [skippedFields],
      /** Lease members that are the caller's to settle. */
      orphans: 'texts',
      /** Of the key, this request included; 0 and empty when the answer is a repeated one. */
      windowRequests: 'number',
      windowEndsMs: 'number',
      /** Nano-USD that count of each cost limit; empty where it is not set or does not count this request. */
      spent: 'texts',
    },
    /** Planned with an old catalog, or a roster that is gone: flat `field, value` rows of what changed, empty where nothing did. */
    stale: { pool: 'texts', apiKey: 'texts' },
    deny: {
      cause: oneOf(denyCauses),
      /** Requests, or nano-USD for a cost. */
      limit: 'number',
      used: 'number',
      /** When it ends by itself, where the script knows; else 0. */
      resetMs: 'number',
      nowMs: 'number',
      /** More than 0: the budget is not spent, but others in flight have reserved what is left of it. */
      reservedNanoUsd: 'number',
    },
    none: { ...noneFields, isRequired: 'flag' },
    /** The one account that can serve it is no candidate any more. */
    issuerGone: { accountId: 'text' },
    /** The key has as many in flight as it may: ask again, with this ticket. */
    wait: waitFields,
    /** This ledger id was settled or voided before, or its lease has expired and was reaped. */
    gone: {},
  },
  libraries: [
    time,
    periods,
    health,
    load,
    candidates,
    choose,
    leases,
    queue,
    sticky,
    counters,
    budget,
  ],
  lua: admitLua,
})

export type AdmitReply = ReplyOf<(typeof script)['replies']>
export type DenyReply = Extract<AdmitReply, { kind: 'deny' }>
/** The request is to wait for its turn. */
export type WaitReply = Extract<AdmitReply, { kind: 'wait' }>
/** No candidate can serve now. */
export type NoneReply = Extract<AdmitReply, { kind: 'none' }>

/** An account to send a request to. */
export interface Assignment {
  accountId: string
  generation: number
  expiresAtMs: number
  affinity: Affinity
  isProbe: boolean
  skipped: NoneReply['skipped']
  /** What the admission saw of the key. */
  keyUse: AdmittedUse | undefined
}

/** Decides `input` in one round trip. @throws the engine's error when the store cannot answer. */
export function admitScript(
  redis: Redis,
  keyspace: Keyspace,
  input: AdmitInput,
): Promise<AdmitReply> {
  const { poolId, keyId, sessionKey, affinityDigest } = input
  return runScript(redis, keyspace, script, {
    keys: {
      apiKey: keyspace.apiKey(input.digest),
      counters: keyspace.keyCounters(keyId),
      keyLeases: keyspace.keyLeases(keyId),
      waiting: keyspace.waiting(keyId),
      request: keyspace.request(input.ledgerId),
      sticky: keyspace.sticky(poolId, keyId, sessionKey ?? ''),
      health: keyspace.health(poolId),
      load: keyspace.load(poolId),
      leases: keyspace.poolLeases(poolId),
      orphans: keyspace.orphans,
      affinity: keyspace.affinity(poolId, keyId, affinityDigest ?? ''),
    },
    args: {
      ...input,
      ...candidateArgs(input.candidates, input.roster),
      hasSession: sessionKey !== undefined,
      hasAffinity: affinityDigest !== undefined,
    },
  })
}
