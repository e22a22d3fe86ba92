/** What a caller is told when no account can serve: one row for each state of all accounts. */
import { describe, expect, it } from 'vitest'
import type { FailureReason } from '../../../src/domain/account-failure.ts'
import { accountFailure } from '../../../src/domain/cooldowns.ts'
import { type NoAccountAvailable, unavailable } from '../../../src/relay/scheduling/unavailable.ts'

const nowMs = 1_000_000
const nobody = {
  soonestMs: 0,
  cooling: 0,
  limited: 0,
  overloaded: 0,
  refused: 0,
  atCapacity: 0,
  overQuota: 0,
  nowMs,
}
const soonestMs = nowMs + 5_000
const told = (failed: FailureReason[], passedOver: Partial<NoAccountAvailable> = {}) =>
  unavailable({
    ...nobody,
    ...passedOver,
    failed: failed.map((reason) => ({
      failure: accountFailure(reason),
      cooldownUntilMs: soonestMs,
    })),
  })

type Row = [
  failed: FailureReason[],
  passedOver: Partial<NoAccountAvailable>,
  code: string,
  status: number,
  retryAfterSeconds: number | undefined,
]

const rows: Row[] = [
  [['overloaded'], {}, 'accounts_overloaded', 529, 5],
  [['overloaded', 'overloaded'], {}, 'accounts_overloaded', 529, 5],
  [[], { cooling: 2, overloaded: 2, soonestMs }, 'accounts_overloaded', 529, 5],
  [['overloaded'], { cooling: 1, overloaded: 1 }, 'accounts_overloaded', 529, 5],
  [['overloaded', 'server_error'], {}, 'accounts_unavailable', 503, 5],
  [['overloaded'], { cooling: 1, soonestMs: nowMs + 2_000 }, 'accounts_unavailable', 503, 2],
  [['overloaded'], { cooling: 1, limited: 1 }, 'accounts_unavailable', 503, 5],
  [['overloaded'], { cooling: 1, refused: 1 }, 'accounts_unavailable', 503, 5],
  [['overloaded'], { atCapacity: 1 }, 'accounts_unavailable', 503, 1],
  [['connect_failed'], {}, 'accounts_unavailable', 503, 5],
  [['proxy_failed'], {}, 'accounts_unavailable', 503, 5],
  [['timeout'], {}, 'accounts_unavailable', 503, 5],
  [['server_error'], {}, 'accounts_unavailable', 503, 5],
  [['server_error', 'account_refused'], {}, 'accounts_unavailable', 503, 5],
  [['server_error', 'rate_limited'], {}, 'accounts_unavailable', 503, 5],
  [[], { cooling: 1, soonestMs }, 'accounts_unavailable', 503, 5],
  [[], { atCapacity: 1 }, 'accounts_unavailable', 503, 1],
  [['rate_limited'], {}, 'accounts_rate_limited', 429, 5],
  [[], { cooling: 1, limited: 1, soonestMs }, 'accounts_rate_limited', 429, 5],
  [['rate_limited'], { overQuota: 1 }, 'accounts_rate_limited', 429, 5],
  [[], { overQuota: 1, soonestMs }, 'accounts_over_quota', 429, 5],
  [['account_refused'], {}, 'accounts_refused', 503, undefined],
  [['credential_unreadable'], {}, 'accounts_refused', 503, undefined],
  [[], { cooling: 1, refused: 1, soonestMs }, 'accounts_refused', 503, undefined],
  [['account_refused'], { cooling: 1, refused: 1 }, 'accounts_refused', 503, undefined],
  [['account_refused'], { cooling: 1, limited: 1 }, 'accounts_unavailable', 503, 5],
  [['bad_answer'], {}, 'upstream_failed', 502, undefined],
  [['unsupported_by_account'], {}, 'upstream_failed', 502, undefined],
  [['bad_answer', 'account_refused'], {}, 'upstream_failed', 502, undefined],
  [['bad_answer', 'server_error'], {}, 'accounts_unavailable', 503, 5],
]

describe('when no account can serve, the caller is told', () => {
  it.each(rows)(
    'failed %j, passed over %j: %s',
    (failed, passedOver, code, status, retryAfterSeconds) => {
      const error = told(failed, passedOver)
      expect([error.code, error.status, error.retryAfterSeconds]).toEqual([
        code,
        status,
        retryAfterSeconds,
      ])
    },
  )

  it('what is wrong with them, each cause once', () => {
    const { message } = told(['server_error', 'timeout', 'overloaded'], { cooling: 1, limited: 1 })
    expect(message).toBe(
      'All upstream accounts are rate limited or overloaded or failing; try again in 5 s',
    )
  })

  it('that an administrator has to renew the key, when every credential is refused', () => {
    const { message } = told(['account_refused'])
    expect(message).toContain('administrator has to renew the key of the account')
    expect(message).not.toMatch(/busy|recovering|try again/)
  })
})
