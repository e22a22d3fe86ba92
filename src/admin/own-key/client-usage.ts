/** The usage of a key where client programs ask for it, so that `/api/v2` can be closed from outside. */
import type { Context, Hono } from 'hono'
import { keyLimits } from '../../domain/limits.ts'
import type { Gateway } from '../../gateway.ts'
import { createAuthentication } from '../authentication.ts'
import { getOwnKey, type OwnKey } from './get.ts'

interface Variables {
  requestId: string
  keyId?: string
}

/** Mounts `GET /api/v1/usage`, which answers as `/api/v2/me` does, and `GET /api/oauth/usage` of Claude Code. */
export function mountClientUsage<Env extends { Variables: Variables }>(
  app: Hono<Env>,
  gateway: Gateway,
): void {
  const authentication = createAuthentication(gateway)
  const read = async (c: Context<{ Variables: Variables }>) => {
    const onKey = (keyId: string) => c.set('keyId', keyId)
    const caller = await authentication.gatewayKey(c.req.raw.headers, onKey)
    c.header('cache-control', 'no-store')
    return getOwnKey(gateway, caller)
  }
  app.get('/api/v1/usage', async (c) => c.json(await read(c as unknown as Context)))
  app.get('/api/oauth/usage', async (c) => c.json(claudeUsage(await read(c as unknown as Context))))
}

const groups: Record<string, string> = { day: 'daily', week: 'weekly', window: 'window' }

/** As the vendor's own gateway answers it (protocol facts §2.8): cents, and percent of the budget used most. */
function claudeUsage({ limits }: Pick<OwnKey, 'limits'>) {
  const budgets = limits
    .filter(({ unit }) => unit === 'usd')
    .map(({ name, limit, used, resetAt }) => {
      const period = keyLimits.find(({ field }) => field === name)?.period ?? ''
      const percent = Math.min(100, Math.floor((used / limit) * 100))
      const severity = percent >= 95 ? 'critical' : percent >= 75 ? 'warning' : 'normal'
      const shown = { percent, resets_at: resetAt, severity, is_active: true }
      return { limit, used, shown: { kind: 'spend', group: groups[period] ?? 'total', ...shown } }
    })
  const [most] = budgets.toSorted((a, b) => b.used / b.limit - a.used / a.limit)
  const cents = (usd: number) => Math.round(usd * 100)
  return {
    extra_usage: {
      is_enabled: most !== undefined,
      monthly_limit: most ? cents(most.limit) : null,
      used_credits: most ? cents(most.used) : null,
      utilization: most ? most.shown.percent : null,
      currency: 'USD',
    },
    limits: budgets.map(({ shown }) => shown),
  }
}
