/** Denials: what a caller hears whose key has reached a limit of its own. */
import { counted } from '../../counted.ts'
import {
  type CalendarPeriod,
  calendarPeriods,
  type KeyLimit,
  keyLimits,
} from '../../domain/limits.ts'
import { GatewayError } from '../../errors.ts'
import { periodEndMs } from '../../ledger/calendar.ts'
import { formatUsd } from '../../money.ts'
import type { DenyReply } from '../../store/scripts/admit.ts'
import { secondsUntil } from './unavailable.ts'

/** The refusal that a caller sees; `timeZone` is the one in which days and weeks begin. */
export function denial(reply: DenyReply, timeZone: string): GatewayError {
  const { limit, used, resetMs, nowMs } = reply
  const row = keyLimits.find(({ cause }) => cause === reply.cause)
  if (!row) {
    const endedAt = new Date(resetMs).toISOString()
    return new GatewayError('key_expired', `This gateway key expired at ${endedAt}`)
  }
  if (row.period === 'in_flight') {
    return new GatewayError(
      'concurrency_limit',
      `This gateway key has ${counted(used, 'request')} in flight, and its limit is ${limit}`,
      { retryAfterSeconds: 1 },
    )
  }
  if (row.unit === 'requests') {
    return new GatewayError(
      'request_limit',
      `This gateway key has used ${used} of ${counted(limit, 'request')}; the window resets at ${new Date(resetMs).toISOString()}`,
      { retryAfterSeconds: secondsUntil(resetMs, nowMs) },
    )
  }
  const period = calendarPeriods.find((name) => name === row.period)
  return costDenial(reply, row, endOf(reply, period, timeZone))
}

/** When the budget begins anew, in milliseconds since the epoch; 0 when it never does. */
function endOf(reply: DenyReply, period: CalendarPeriod | undefined, timeZone: string): number {
  return period ? periodEndMs(period, reply.nowMs, timeZone) : reply.resetMs
}

/** A budget that is used up stops the client; one that requests in flight have reserved is a short wait. */
function costDenial(
  reply: DenyReply,
  { name, period }: Pick<KeyLimit, 'name' | 'period'>,
  resetMs: number,
): GatewayError {
  const budget = { period, resetMs }
  const { limit, used, nowMs, reservedNanoUsd } = reply
  const spent = `This gateway key has spent ${formatUsd(used)} of its ${name} of ${formatUsd(limit)}`
  if (reservedNanoUsd > 0) {
    const message = `${spent}, and ${formatUsd(reservedNanoUsd)} are reserved for requests in flight; try again shortly`
    return new GatewayError('budget_reserved', message, { retryAfterSeconds: 2 })
  }
  if (resetMs === 0) return new GatewayError('budget_exceeded', spent, { budget })
  const retryAfterSeconds = secondsUntil(resetMs, nowMs)
  return new GatewayError(
    'budget_exceeded',
    `${spent}; it resets at ${new Date(resetMs).toISOString()}`,
    { retryAfterSeconds, budget },
  )
}
