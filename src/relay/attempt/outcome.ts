/** What an attempt is given, and what can come of it. */

import type { Account } from '../../catalog/account.ts'
import type { OpenSecrets } from '../../catalog/account-secrets.ts'
import type { Dialect, UsageReader } from '../../dialects/dialect.ts'
import type { AccountFailure } from '../../domain/account-failure.ts'
import type { Operation } from '../../domain/operation.ts'
import type { HeaderFields, HeaderReader } from '../../http-message.ts'
import type { Runtime } from '../../runtime.ts'
import type { ClientRequest } from '../request/client-request.ts'
import type { OpenStream } from '../stream/gate.ts'

interface Head {
  status: number
  headers: HeaderFields
}

export type Refusal = Head & { kind: 'refusal'; body: Uint8Array<ArrayBuffer> | undefined }

interface Failed {
  kind: 'failure'
  failure: AccountFailure
  status: number | null
  refusal?: Refusal
  said?: string | undefined
  /** What the upstream reported before it failed. */
  usage?: UsageReader
  /** The account does not have the operation at all. */
  lacksOperation?: true
}

export type Outcome =
  /** A complete JSON answer. */
  | (Head & { kind: 'answer'; body: Uint8Array<ArrayBuffer>; usage: UsageReader })
  /** A stream that has begun to answer; `abort` ends it upstream at once. */
  | (Head & { kind: 'stream'; stream: OpenStream; usage: UsageReader; abort: () => void })
  /** The upstream refuses the request itself; `body` is undefined when no client could read it. */
  | Refusal
  /**
   * The account failed, and another may be tried; `status` is null without an answer. `refusal` is what
   * the client gets if all accounts refuse the request so; `said` is the vendor's sentence, for
   * administrators.
   */
  | Failed
  /** No time is left for another account. What a JSON answer may have cost by then is charged. */
  | { kind: 'timed_out'; usage: UsageReader }
  /** The client went away before there was anything to show. */
  | { kind: 'abandoned'; usage: UsageReader }
  /** The client went away before anything was sent. */
  | { kind: 'unsent' }

export interface AttemptContext {
  runtime: Runtime
  openSecrets: OpenSecrets
  /** An account as the catalog has it by now. */
  currentAccount: (account: Account) => Account
  dialect: Dialect
  operation: Operation
  client: ClientRequest
  /** Gets the headers of each answer of an account. */
  onHeaders?: (account: Account, headers: HeaderReader) => void
  /** Whether the account has answered the operation lately. */
  isProven?: (account: Account) => boolean
  /** When the last account must have begun to answer, by the monotonic clock. */
  deadlineMonotonicMs: number
}
