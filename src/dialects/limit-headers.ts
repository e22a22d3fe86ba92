/** Headers by which clients show what is left of the limits of a key, and the refusal of a budget that is spent. */
import type { LimitUse } from '../ledger/key-limits.ts'

export type HeaderLine = [name: string, value: string]

/** Shares of a budget from which clients show a notice (protocol facts §2.8), highest first. */
const thresholds = [0.95, 0.75]

const unixSeconds = (ms: number) => String(Math.ceil(ms / 1000))
const unified = 'anthropic-ratelimit-unified'

/**
 * The limits as Anthropic tells them: requests of its API, and the spending of a budget as its own gateway
 * does, of the budget that is used most.
 */
export function anthropicLimits(uses: readonly LimitUse[]): HeaderLine[] {
  const lines: HeaderLine[] = []
  const requests = uses.find(({ unit }) => unit === 'requests')
  if (requests) {
    const prefix = 'anthropic-ratelimit-requests'
    const { limit, used, resetMs } = requests
    lines.push([`${prefix}-limit`, String(limit)])
    lines.push([`${prefix}-remaining`, String(Math.max(0, limit - used))])
    if (resetMs !== undefined) lines.push([`${prefix}-reset`, new Date(resetMs).toISOString()])
  }
  const budget = mostUsed(uses)
  return budget ? [...lines, ...spending(budget)] : lines
}

/** The limit of a cost that is used most; undefined without one. */
function mostUsed(uses: readonly LimitUse[]): LimitUse | undefined {
  const budgets = uses.filter(({ unit }) => unit === 'usd')
  return budgets.toSorted((a, b) => b.used / b.limit - a.used / a.limit)[0]
}

function spending({ used, limit, resetMs }: LimitUse): HeaderLine[] {
  // A request that is answered may have been the last one.
  const utilization = Math.min(0.99, Math.floor((used / limit) * 100) / 100)
  const surpassed = thresholds.find((threshold) => utilization >= threshold)
  const status = surpassed === undefined ? 'allowed' : 'allowed_warning'
  const reset = resetMs === undefined ? [] : resetLines(resetMs)
  const lines: HeaderLine[] = [
    [`${unified}-status`, status],
    [`${unified}-representative-claim`, 'overage'],
    [`${unified}-overage-status`, status],
    [`${unified}-overage-utilization`, utilization.toFixed(2)],
    ...reset,
  ]
  if (surpassed !== undefined) {
    lines.push([`${unified}-overage-surpassed-threshold`, String(surpassed)])
  }
  return lines
}

const resetLines = (resetMs: number): HeaderLine[] => [
  [`${unified}-reset`, unixSeconds(resetMs)],
  [`${unified}-overage-reset`, unixSeconds(resetMs)],
]

const overagePeriods = new Map([
  ['day', 'daily'],
  ['week', 'weekly'],
])

/**
 * The headers of a refusal because a budget is spent. Without a representative claim, Claude Code shows the
 * message as it is.
 */
export function spentBudget({
  period,
  resetMs,
}: {
  period: string
  resetMs: number
}): HeaderLine[] {
  const name = overagePeriods.get(period)
  const lines: HeaderLine[] = [
    [`${unified}-status`, 'rejected'],
    [`${unified}-overage-utilization`, '1'],
    [`${unified}-overage-surpassed-threshold`, '1'],
    [`${unified}-overage-disabled-reason`, 'org_spend_cap_reached'],
  ]
  if (name !== undefined) lines.push([`${unified}-overage-period`, name])
  return resetMs > 0 ? [...lines, ...resetLines(resetMs)] : lines
}

/** The limit of requests as OpenAI tells it; a reset is a duration, such as `6m0s`. */
export function openaiLimits(uses: readonly LimitUse[], nowMs: number): HeaderLine[] {
  const requests = uses.find(({ unit }) => unit === 'requests')
  if (!requests) return []
  const { limit, used, resetMs = nowMs } = requests
  const seconds = Math.max(0, Math.ceil((resetMs - nowMs) / 1000))
  const minutes = Math.floor(seconds / 60)
  const reset = minutes > 0 ? `${minutes}m${seconds % 60}s` : `${seconds}s`
  return [
    ['x-ratelimit-limit-requests', String(limit)],
    ['x-ratelimit-remaining-requests', String(Math.max(0, limit - used))],
    ['x-ratelimit-reset-requests', reset],
  ]
}
