/** The verb that shows where a request went and why, read from its record. */
import { z } from 'zod'
import { toIso } from '../../dates.ts'
import type { Actor } from '../../domain/actor.ts'
import { GatewayError } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import { sweep } from '../../relay/settlement/orphans.ts'
import { unpackTrace } from '../../relay/settlement/trace.ts'
import { lease } from '../../store/records/lease.ts'
import { isPackedSums, unpackSums } from '../../store/records/sums.ts'
import { toConsumption } from '../keys/stats.ts'
import { requirePermission } from '../permissions.ts'
import { Values } from '../replies.ts'
import { shownBill } from './bill-view.ts'
import { type RequestView, states, Usage } from './view.ts'

const field = z.string().nullable()
const RequestRecord = z.object({
  state: field,
  account: field,
  model: field,
  member: field,
  expiresAtMs: field,
  settledAtMs: field,
  amounts: field,
  trace: field,
})
type RequestRecord = z.infer<typeof RequestRecord>

/**
 * Reads a request by its `x-request-id` or its ledger id, in one round trip, or in two for an id that a
 * client chose. A ledger id comes first: no client can hide a request by giving its id to another.
 * @throws GatewayError `not_permitted`, `not_found` for an id that is unknown or no longer kept.
 */
export async function getRequest(
  gateway: Gateway,
  { actor, id }: { actor: Actor; id: string },
): Promise<RequestView> {
  requirePermission(actor, 'requests:read')
  const { runtime, keyspace } = gateway
  const [own, name] = await Promise.all([
    readRecord(gateway, id),
    runtime.redis.get<string>(keyspace.requestName(id)),
  ])
  const ledgerId = own.state === null && name !== null ? name : id
  const record = ledgerId === id ? own : await readRecord(gateway, ledgerId)
  return describe(await settled(gateway, ledgerId, record), ledgerId, id)
}

async function readRecord(gateway: Gateway, ledgerId: string): Promise<RequestRecord> {
  const { runtime, keyspace } = gateway
  const fields = RequestRecord.keyof().options
  const values = Values.parse(await runtime.redis.hmget(keyspace.request(ledgerId), ...fields))
  const entries = fields.map((name, i) => [name, values[i] ?? null])
  return RequestRecord.parse(Object.fromEntries(entries))
}

/** The record; if its process ended without settling it, the record after that is made up for. */
async function settled(
  gateway: Gateway,
  ledgerId: string,
  record: RequestRecord,
): Promise<RequestRecord> {
  if (record.state !== 'admitted') return record
  if (Number(record.expiresAtMs) > gateway.runtime.now()) return record
  const { platform: poolId } = readMember(record.member)
  if (poolId === null) return record
  await sweep(gateway, poolId)
  return readRecord(gateway, ledgerId)
}

/** What the lease of a request says of it. */
function readMember(member: string | null) {
  const held = member === null ? undefined : lease.decode(member)
  return { platform: held?.poolId ?? null, keyId: held?.keyId ?? null, model: held?.model ?? null }
}

function describe(record: RequestRecord, ledgerId: string, id: string): RequestView {
  const state = Object.entries(states).find(([name]) => name === record.state)?.[1]
  if (!state) throw new GatewayError('not_found', 'No such request, or it is no longer kept')
  const member = readMember(record.member)
  const trace = unpackTrace(record.trace)
  const receivedAtMs = trace.receivedAtMs ?? madeAtMs(ledgerId)
  const { tookMs, end } = trace
  const endedAtMs = tookMs === null ? Number(record.settledAtMs) : receivedAtMs + tookMs
  // Of any other rejected request the record names the account that was tried last.
  const hasAccount = state !== 'rejected' || end === 'refused'
  return {
    requestId: trace.requestId ?? id,
    ledgerId,
    state,
    keyId: member.keyId ?? trace.keyId,
    platform: member.platform ?? trace.platform,
    model: (record.model ?? member.model) || null,
    accountId: (hasAccount && record.account) || null,
    receivedAt: toIso(receivedAtMs),
    endedAt: state === 'running' ? null : toIso(endedAtMs),
    tookMs,
    queuedMs: trace.queuedMs,
    stream: trace.stream,
    affinity: trace.affinity,
    end,
    refusal: trace.refusal,
    passedOver: trace.passedOver.map(({ untilMs, ...one }) => ({ ...one, until: toIso(untilMs) })),
    attempts: trace.attempts.map(({ cooldownUntilMs, ...one }) => ({
      ...one,
      cooldownUntil: toIso(cooldownUntilMs),
    })),
    ...receiptOf(record, state),
    bill: shownBill(trace.bill),
  }
}

type Receipt = Pick<RequestView, 'usage' | 'costUsd' | 'estimated'>

function receiptOf({ amounts }: RequestRecord, state: RequestView['state']): Receipt {
  // A request that was recorded by an estimate, and then turned out to have consumed nothing, keeps
  // the amounts that were taken back.
  if (state === 'rejected') return { usage: null, costUsd: 0, estimated: false }
  if (amounts === null || !isPackedSums(amounts))
    return { usage: null, costUsd: null, estimated: false }
  const sums = unpackSums(amounts)
  const consumed = toConsumption(sums)
  const usage = Usage.safeParse(consumed).data ?? null
  const isOrphan = state === 'orphaned'
  return {
    usage: isOrphan ? null : usage,
    costUsd: usage && sums.unpricedRequests === 0 ? consumed.costUsd : null,
    estimated: isOrphan || sums.estimatedRequests > 0,
  }
}

/** When a ledger id was made, which is when its request came: its first 48 bits (RFC 9562 §5.7). */
const madeAtMs = (ledgerId: string) => Number.parseInt(ledgerId.replace('-', '').slice(0, 12), 16)
