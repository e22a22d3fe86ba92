/** What `admit` answers, and how its texts are read. */

import type { Affinity } from '../../domain/affinity.ts'
import type { SkippedCandidate } from '../../domain/candidate.ts'
import { decodeNone, decodeSkipped, type NoneReply, type RawNone } from '../lua/choose.ts'

/** An account to send a request to. */
export interface Assignment {
  accountId: string
  /** Counts the accounts this request was given, from 1. */
  generation: number
  expiresAtMs: number
  affinity: Affinity
  /** The account's cooldown has just ended, and this request alone tries it. */
  isProbe: boolean
  skipped: SkippedCandidate[]
}

export type AdmitReply =
  | ({ kind: 'ok'; orphans: string[] } & Assignment)
  /** Planned with an old catalog: flat `field, value` rows of what changed, empty where nothing did. */
  | { kind: 'stale'; pool: string[]; apiKey: string[] }
  | DenyReply
  | NoneReply
  /** This ledger id was settled or voided before, or its lease has expired and was reaped. */
  | { kind: 'gone' }

export type CostCause = 'total_cost' | 'daily_cost' | 'weekly_opus_cost' | 'window_cost'
export type DenyCause = 'expired' | 'concurrency' | 'window' | CostCause

export interface DenyReply {
  kind: 'deny'
  cause: DenyCause
  /** Requests, or nano-USD for a cost. */
  limit: number
  used: number
  /** When it ends by itself, where the script knows; else 0. */
  resetMs: number
  nowMs: number
  /** More than 0: the budget is not spent, but others in flight hold what is left of it. */
  heldNanoUsd: number
}

/** What the script returns. */
export type RawReply =
  | ['ok', string, string, string, string[], Affinity, string, string[]]
  | ['stale', string[], string[]]
  | ['deny', DenyCause, string, string, string, string, string?]
  | RawNone
  | ['gone']

/** Reads the script's texts. */
export function decodeAdmit(reply: RawReply): AdmitReply {
  switch (reply[0]) {
    case 'ok': {
      const [kind, accountId, generation, expiresAtMs, orphans, affinity, claimed, skipped] = reply
      return {
        kind,
        accountId,
        generation: Number(generation),
        expiresAtMs: Number(expiresAtMs),
        orphans,
        affinity,
        isProbe: claimed !== '',
        skipped: decodeSkipped(skipped),
      }
    }
    case 'stale':
      return { kind: 'stale', pool: reply[1], apiKey: reply[2] }
    case 'deny': {
      const [kind, cause, limit, used, resetMs, nowMs, held = '0'] = reply
      return {
        kind,
        cause,
        limit: Number(limit),
        used: Number(used),
        resetMs: Number(resetMs),
        nowMs: Number(nowMs),
        heldNanoUsd: Number(held),
      }
    }
    case 'none':
      return decodeNone(reply)
    case 'gone':
      return { kind: 'gone' }
  }
}
