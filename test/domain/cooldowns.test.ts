import { describe, expect, it } from 'vitest'
import { type FailureReason, failureReasons } from '../../src/domain/account-failure.ts'
import { accountFailure, onlyAccountCooldownMs } from '../../src/domain/cooldowns.ts'

const second = 1_000
const minute = 60 * second
const hour = 60 * minute

describe('a reason', () => {
  it.each<[FailureReason, string, number, number]>([
    ['connect_failed', 'account', 2 * second, 5 * minute],
    ['proxy_failed', 'account', 2 * second, 5 * minute],
    ['timeout', 'account', 2 * second, 5 * minute],
    ['server_error', 'account', 2 * second, 5 * minute],
    ['bad_answer', 'account', 2 * second, 5 * minute],
    ['overloaded', 'family', 15 * second, minute],
    ['rate_limited', 'family', 5 * minute, hour],
    ['account_refused', 'account', 30 * minute, 30 * minute],
    ['credential_unreadable', 'account', 30 * minute, 30 * minute],
  ])('%s cools down the %s, from %i to %i ms', (reason, scope, cooldownMs, maxCooldownMs) => {
    const expected = { reason, scope, untilMs: 0, cooldownMs, maxCooldownMs }
    expect(accountFailure(reason)).toEqual(expected)
  })
})

describe('the cooldown of the only account', () => {
  it('is capped at 15 s for transient errors, and for no others', () => {
    const capped = failureReasons.filter((reason) => onlyAccountCooldownMs(accountFailure(reason)))
    expect(capped).toEqual([
      'connect_failed',
      'proxy_failed',
      'timeout',
      'server_error',
      'bad_answer',
    ])
    for (const reason of capped) {
      expect(onlyAccountCooldownMs(accountFailure(reason))).toBe(15 * second)
    }
  })

  it('lasts as long as the vendor asks for', () => {
    expect(onlyAccountCooldownMs(accountFailure('server_error', 1_800_000_000_000))).toBe(0)
  })
})
