/** Denials: what a caller hears whose key has reached a limit of its own. */

import { GatewayError } from '../../errors.ts'
import { periodEndMs } from '../../ledger/calendar.ts'
import { formatUsd } from '../../money.ts'
import type { CostCause, DenyReply } from '../../store/scripts/admit-reply.ts'
import { secondsUntil } from './unavailable.ts'

/** The refusal that a caller sees; `timeZone` is the one in which days and weeks begin. */
export function denial(reply: DenyReply, timeZone: string): GatewayError {
  const { cause, limit, used, resetMs, nowMs } = reply
  switch (cause) {
    case 'expired':
      return new GatewayError(
        'key_expired',
        `This gateway key expired at ${new Date(resetMs).toISOString()}`,
      )
    case 'concurrency':
      return new GatewayError(
        'concurrency_limit',
        `This gateway key has ${used} requests in flight, and its limit is ${limit}`,
        { retryAfterSeconds: 1 },
      )
    case 'window':
      return new GatewayError(
        'request_limit',
        `This gateway key has used ${used} of ${limit} requests; the window resets at ${new Date(resetMs).toISOString()}`,
        { retryAfterSeconds: secondsUntil(resetMs, nowMs) },
      )
    default:
      return costDenial({ ...reply, cause }, timeZone)
  }
}

const costLimits: Record<CostCause, { name: string; period: 'day' | 'week' | undefined }> = {
  total_cost: { name: 'total limit', period: undefined },
  daily_cost: { name: 'daily limit', period: 'day' },
  weekly_opus_cost: { name: 'weekly limit for Opus models', period: 'week' },
  window_cost: { name: 'limit for this window', period: undefined },
}

/** A spent budget is a final stop; one that others in flight may spend is a short wait. */
function costDenial(reply: DenyReply & { cause: CostCause }, timeZone: string): GatewayError {
  const { cause, limit, used, nowMs, heldNanoUsd } = reply
  const { name, period } = costLimits[cause]
  const spent = `This gateway key has spent ${formatUsd(used)} of its ${name} of ${formatUsd(limit)}`
  if (heldNanoUsd > 0) {
    const message = `${spent}, and requests in flight hold ${formatUsd(heldNanoUsd)}; try again shortly`
    return new GatewayError('budget_held', message, { retryAfterSeconds: 2 })
  }
  const resetMs = period ? periodEndMs(period, nowMs, timeZone) : reply.resetMs
  if (resetMs === 0) return new GatewayError('budget_exceeded', spent)
  return new GatewayError(
    'budget_exceeded',
    `${spent}; it resets at ${new Date(resetMs).toISOString()}`,
    { retryAfterSeconds: secondsUntil(resetMs, nowMs) },
  )
}
