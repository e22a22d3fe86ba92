/** Platform: how an account is called, whatever dialect its clients speak. */
import type { Account } from '../catalog/account.ts'
import type { ApiKeySettings } from '../catalog/api-key.ts'
import type { AccountFailure } from '../domain/account-failure.ts'
import type { Operation } from '../domain/operation.ts'
import type { PoolId } from '../domain/platform.ts'
import type { UpstreamError } from '../domain/upstream-error.ts'
import type { HeaderFields } from '../http-message.ts'
import type { PriceProvider } from '../ledger/price.ts'

/** A request body as bytes, and where its model stands in them. */
export interface RequestBody {
  bytes: Uint8Array<ArrayBuffer>
  model: string
  /** Byte offsets of the model's JSON text, quotes included, end exclusive. */
  modelStart: number
  modelEnd: number
}

/** What one account is asked for. */
export interface AccountCall {
  account: Account
  /** The account's credential in plain text. */
  credential: string
  operation: Operation
  method: string
  /** What follows the path of the operation, such as the id of a response; or empty. */
  subpath: string
  /** What the client sent and may go upstream. A copy, which the platform may change. */
  headers: HeaderFields
  /** The client's query with its question mark, or empty. */
  search: string
  body: RequestBody
  /** The model to ask this account for; another than `body.model` when the account renames it. */
  upstreamModel: string
  /** Aborts when the answer is no longer wanted. */
  signal: AbortSignal
}

/** A request that is ready to be sent: address, credential and model are the account's. */
export interface PlatformRequest {
  url: string
  method: string
  headers: HeaderFields
  /** Undefined where the method takes none. */
  body: Uint8Array<ArrayBuffer> | undefined
}

/** An answer without a usable reply: `body` is its text, empty when it could not be read. */
export interface FailedAnswer {
  status: number
  headers: HeaderFields
  body: string
}

/** A small real request, by which an administrator tests an account. */
export interface TrialRequest {
  operation: Operation
  headers: HeaderFields
  body: { model: string } & Record<string, unknown>
}

export interface Platform {
  /** As the accounts of this platform name it. */
  id: string
  /** The pool that its accounts belong to; platforms that serve the same dialect may share one. */
  poolId: PoolId
  /** The permission that a key needs to use its accounts. */
  permission: Exclude<ApiKeySettings['permissions'], 'all'>
  /** The field of a key that binds it to one account of this platform. */
  boundAccountField: Extract<keyof ApiKeySettings, `${string}AccountId`>
  /** Whose price list its usage is priced by. */
  priceProvider: PriceProvider

  /**
   * The request as this platform expects it. It may be async, for example to sign the body or to
   * fetch a token.
   * @throws when the credential is not of the form that it needs, or the operation is not served:
   * the account then fails as one whose credential cannot be read. The message is logged, so it must
   * hold no secret.
   */
  buildRequest(call: AccountCall): PlatformRequest | Promise<PlatformRequest>

  /**
   * Classifies an answer without a usable reply.
   * @param rateLimitMs first cooldown of a rate limit that names no end.
   * @returns the account's failure, or undefined when the caller's request is at fault.
   */
  classifyAnswer(
    answer: FailedAnswer,
    rateLimitMs: number,
    nowMs: number,
  ): AccountFailure | undefined
  /** The same for an error inside of a stream. */
  classifyErrorEvent(
    error: UpstreamError,
    rateLimitMs: number,
    nowMs: number,
  ): AccountFailure | undefined

  /** The model of a trial when neither the administrator nor the account names one. */
  defaultTrialModel: string
  trialRequest(model: string): TrialRequest
  /** Whether a JSON body is a successful answer to the trial. */
  isTrialAnswer(json: unknown): boolean
}
