/** Serves what vendors do not charge: no limit counts it, nothing is booked, and no account is judged by it. */
import { GatewayError } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import type { HttpRequest, RelayAnswer } from '../../http-message.ts'
import { attempt } from '../attempt/attempt.ts'
import type { AttemptContext, Outcome, Refusal } from '../attempt/outcome.ts'
import { authenticate } from '../authenticate.ts'
import { permittedUse } from '../permitted-use.ts'
import type { RequestPlace } from '../pipeline.ts'
import { clientClosed, readClientRequest } from '../request/client-request.ts'
import { digestOf } from '../request/session.ts'
import { unreadableRefusal } from '../respond.ts'
import type { RelayRoute } from '../routes.ts'
import type { PlannedAccount } from '../scheduling/candidates.ts'
import { type FailedAttempt, noOthers, unavailable } from '../scheduling/unavailable.ts'
import { planUnmetered, type Ranked } from './plan.ts'
import { type StoredResponse, storedResponse, withoutBody } from './stored-response.ts'

/** Different accounts that are asked at most. */
const maxAccounts = 3

/**
 * Serves one unmetered request.
 * @throws GatewayError that the caller is answered with.
 */
export async function serveUnmetered(
  gateway: Gateway,
  route: RelayRoute,
  request: HttpRequest,
  { requestId, onKey, storedId }: RequestPlace,
): Promise<RelayAnswer> {
  const { runtime, openSecrets } = gateway
  const { dialect, operation, poolId } = route
  const { headers } = request
  const principal = await authenticate(gateway.catalog, headers, ({ apiKey }) => {
    if (apiKey) onKey(apiKey.record.id)
    const asking = { apiKey: apiKey?.record, headers, nowMs: runtime.now() }
    permittedUse(asking, gateway.platforms.inPool(poolId))
  })
  const stored = storedId === undefined ? undefined : storedResponse(storedId, route.part ?? '')
  const { client, dropBody } = stored
    ? withoutBody(request, requestId, stored, route.method ?? 'POST')
    : await readClientRequest(gateway, request, { requestId, dialect })
  try {
    const model = stored ? undefined : client.hints.model
    const conversation = stored
      ? { affinityDigest: digestOf('response', stored.id) }
      : client.conversation
    const ranked = await planUnmetered(
      gateway,
      { route, headers, model, ...conversation },
      principal,
    )
    if (stored) requireIssuer(ranked, stored)
    const { currentAccount } = gateway.catalog
    const { REQUEST_DEADLINE_SECONDS } = runtime.config
    const deadlineMonotonicMs = runtime.monotonicMs() + REQUEST_DEADLINE_SECONDS * 1000
    const context = { runtime, openSecrets, currentAccount, dialect, operation, client }
    return await ask(gateway, { ...context, deadlineMonotonicMs }, ranked.accounts)
  } finally {
    dropBody()
  }
}

/** Only the account that issued an id can serve it: the others are never asked. */
function requireIssuer({ accounts, isIssuerKnown }: Ranked, { id }: StoredResponse): void {
  if (accounts.length > 0) return
  const message = isIssuerKnown
    ? `The upstream account that issued the response "${id}" is not available any more`
    : `No response "${id}" was made with this gateway key`
  throw new GatewayError('not_found', message)
}

async function ask(
  gateway: Gateway,
  context: AttemptContext,
  accounts: readonly PlannedAccount[],
): Promise<RelayAnswer> {
  const { runtime } = gateway
  const { operation, client } = context
  const { requestId } = client
  const isStored = operation === 'stored_response'
  const failures: Failure[] = []
  let missing = 0
  for (const planned of accounts.slice(0, maxAccounts)) {
    const outcome = await attempt(context, planned)
    const accountId = planned.account.id
    runtime.observe({ type: 'unmetered', requestId, accountId, operation, outcome: outcome.kind })
    if (!isStored && isMissing(outcome)) {
      missing++
      continue
    }
    switch (outcome.kind) {
      case 'answer':
        return shown(outcome, requestId)
      case 'stream': {
        const { status, headers, stream, abort } = outcome
        headers.set('x-request-id', requestId)
        return { status, headers, body: readOn(stream, abort) }
      }
      case 'refusal':
        return shown(outcome, requestId)
      case 'failure':
        failures.push(outcome)
        break
      case 'timed_out':
        throw new GatewayError('upstream_timeout', 'The upstream took too long to answer')
      default:
        throw clientClosed()
    }
  }
  if (failures.length === 0 && missing > 0) {
    throw new GatewayError('not_offered', 'No upstream account of this gateway counts tokens')
  }
  const refusals = failures.map(({ refusal }) => refusal)
  const refusal = refusals.every(Boolean) ? refusals.at(-1) : undefined
  if (refusal) return shown(refusal, requestId)
  throw unavailable({ ...noOthers, nowMs: runtime.now(), failed: failures.map(asFailed) })
}

type Failure = Extract<Outcome, { kind: 'failure' }>

const asFailed = ({ failure }: Failure): FailedAttempt => ({ failure, cooldownUntilMs: 0 })

/** Whether the account does not have the operation at all; of a model that it lacks, it says so. */
function isMissing(outcome: Outcome): boolean {
  const status = 'status' in outcome ? outcome.status : null
  if (status !== 404 && status !== 405 && status !== 501) return false
  const refusal = outcome.kind === 'refusal' ? outcome : 'refusal' in outcome && outcome.refusal
  const text = new TextDecoder().decode((refusal || undefined)?.body?.subarray(0, 4096))
  return !/"not_found_error"[\s\S]{0,999}\bmodel\b/.test(text)
}

type Whole = Refusal | Extract<Outcome, { kind: 'answer' }>

function shown({ status, headers, body }: Whole, requestId: string): RelayAnswer {
  if (body === undefined) throw unreadableRefusal(status)
  headers.set('x-request-id', requestId)
  return { status, headers, body }
}

/** What the gate held back, then the rest. */
function readOn(
  { held, rest }: Extract<Outcome, { kind: 'stream' }>['stream'],
  abort: () => void,
): ReadableStream<Uint8Array> {
  const begun = held.values()
  return new ReadableStream({
    async pull(controller) {
      const value = begun.next().value ?? (await rest.read()).value
      if (value) controller.enqueue(value)
      else controller.close()
    },
    cancel: () => abort(),
  })
}
