/** Events: everything that the gateway reports of itself, as a closed union. Log, metrics and alerts observe it. */
import { type ErrorCode, type GatewayError, ownFaults } from '../errors.ts'
import type { FailureReason } from './account-failure.ts'
import type { Operation } from './operation.ts'
import type { PoolId } from './platform.ts'
import type { RequestTrace } from './request-trace.ts'
import type { ModelUsage, Usage } from './usage.ts'

/** No event holds a secret, the content of a prompt, or the URL of an upstream: ids, words and numbers only. */
export type GatewayEvent =
  | RequestEvent
  | AccountEvent
  | SettlementEvent
  | HostEvent
  | AdministrationEvent

/** Takes events as they happen. It must return at once; what it throws is ignored. */
export type Observer = (event: GatewayEvent) => void

/** A request that was planned, and has ended. */
interface EndedRequest extends Omit<RequestTrace, 'receivedAtMs'> {
  ledgerId: string
  keyId: string
  poolId: PoolId
  /** The model that the client asked for. */
  model: string
  /** The last account it was sent to; empty where there was none. */
  accountId: string
}

/** Where an error met its request; `keyId` is missing while the key is not known. */
export interface ErrorPlace {
  requestId: string
  route?: string
  keyId?: string | undefined
}

export type RequestEvent =
  /** It consumed something, and was charged. */
  | ({
      type: 'served'
      estimated: boolean
      costNanoUsd: number
      otherModels?: ModelUsage[]
    } & EndedRequest &
      Usage)
  /** It consumed nothing: no account took it, or all failed, or the upstream refused it; `end` says which. */
  | ({ type: 'unserved' } & EndedRequest)
  /** The caller was answered with an error that is no fault of the gateway. */
  | ({ type: 'error_answered'; code: ErrorCode } & ErrorPlace)
  /** The caller was answered with an error that is a fault of the gateway or of its store. */
  | ({ type: 'failed'; code: ErrorCode; error: unknown } & ErrorPlace)
  /** A limit of the key refused it; `limit` and `used` are requests, or nano-USD for a cost. */
  | {
      type: 'denied'
      requestId: string
      keyId: string
      cause: string
      limit: number
      used: number
    }
  /** An account was asked for what is not charged, such as a count of tokens; `outcome` says what came of it. */
  | {
      type: 'unmetered'
      requestId: string
      accountId: string
      operation: Operation
      outcome: string
    }
  | {
      type: 'attempt_failed'
      requestId: string
      ledgerId: string
      accountId: string
      reason: FailureReason
    }

/** What cools down: an account, or (`family` not null) one family of its models. */
interface CoolingScope {
  accountId: string
  poolId: PoolId
  family: string | null
}

export type AccountEvent =
  /**
   * A cooldown begins; a later failure that prolongs it is not reported. `said` is the vendor's
   * sentence, bounded and without secrets.
   */
  | ({
      type: 'account_cooling'
      reason: FailureReason
      untilMs: number
      said?: string
    } & CoolingScope)
  /** An account answers again after a cooldown. */
  | ({ type: 'account_recovered' } & CoolingScope)
  | { type: 'credential_unreadable'; accountId: string; error: unknown }
  /** The code of the platform threw while it judged an answer of the account. */
  | { type: 'platform_failed'; platform: string; accountId: string; error: unknown }
  /** Its record in the store is damaged: no request can use it. Reported each time the pool is read. */
  | { type: 'account_unreadable'; accountId: string }

type SettlementKind = 'final' | 'void' | 'orphan'

export type SettlementEvent =
  | {
      type: 'settled'
      ledgerId: string
      kind: SettlementKind
      reply: 'charged' | 'voided' | 'duplicate'
    }
  /** The first try to settle failed; others follow. */
  | { type: 'settlement_delayed'; ledgerId: string; kind: SettlementKind; error: unknown }
  /**
   * All tries failed, or the store refused it again and again; `receipt` is the last copy of the
   * settlement where there is no journal.
   */
  | { type: 'settlement_undelivered'; ledgerId: string; receipt: string; error: unknown }
  /** The process that served a request ended without settling it; the request is settled at its reservation. */
  | { type: 'orphaned_request'; ledgerId: string; keyId: string; accountId: string }
  /** The record of a lease that expired is damaged: its request is not known, and it is dropped. */
  | { type: 'orphan_unreadable'; member: string }
  | { type: 'journal_failed'; ledgerId: string; error: unknown }
  /** Its file was damaged: it is kept under another name, and what could be read is in a new one. */
  | { type: 'journal_damaged'; setAside: string; rescued: number }
  | { type: 'journal_entry_too_old'; ledgerId: string }
  /** It is damaged, or a gateway of a newer format wrote it; it stays in the journal. */
  | { type: 'journal_entry_unreadable'; ledgerId: string }
  /** The price list does not name the model. */
  | { type: 'unpriced_model'; ledgerId: string; model: string }

export type HostEvent =
  | { type: 'started'; url: string; store: string }
  | { type: 'stopped' }
  /** A setting, or the store that it names, is probably not as it was meant; `setting` is its name. */
  | { type: 'setting_questionable'; setting: string; message: string }
  | { type: 'deferred_failed'; error: unknown }

export type AdministrationEvent =
  | {
      type:
        | 'admin_created'
        | 'admin_login'
        | 'admin_logout'
        | 'admin_password_changed'
        | 'admin_password_rehashed'
      username: string
    }
  /** `action` is the audit trail's word, such as `api_key.updated`; `by` is the administrator's name. */
  | { type: 'record_changed'; action: string; targetId: string; by: string }

/** The event for an error that a caller is answered with. */
export function errorEvent(answer: GatewayError, place: ErrorPlace): RequestEvent {
  const { code, cause } = answer
  if (!ownFaults.has(code)) return { type: 'error_answered', ...place, code }
  return { type: 'failed', ...place, code, error: cause ?? answer }
}
