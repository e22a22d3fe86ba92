import { describe, expect, it } from 'vitest'
import { type FailureReason, failureReasons } from '../../src/domain/account-failure.ts'
import { accountFailure, isTransient, onlyAccountCooldown } from '../../src/domain/cooldowns.ts'

const second = 1_000
const minute = 60 * second

describe('a reason', () => {
  it.each<[FailureReason, string, number, number]>([
    ['connect_failed', 'account', 2 * second, 5 * minute],
    ['proxy_failed', 'account', 2 * second, 5 * minute],
    ['timeout', 'account', 2 * second, 5 * minute],
    ['server_error', 'account', 2 * second, 5 * minute],
    ['bad_answer', 'account', 2 * second, 5 * minute],
    ['overloaded', 'family', 15 * second, minute],
    ['rate_limited', 'family', second, 5 * minute],
    ['account_refused', 'account', 30 * minute, 30 * minute],
    ['credential_unreadable', 'account', 30 * minute, 30 * minute],
  ])('%s cools down the %s, from %i to %i ms', (reason, scope, cooldownMs, maxCooldownMs) => {
    const expected = { reason, scope, untilMs: 0, cooldownMs, maxCooldownMs }
    expect(accountFailure(reason)).toEqual(expected)
  })
})

describe('the cooldown of the only account', () => {
  it('is as short as a client’s own pause where the failure may be over at any moment', () => {
    const short = failureReasons.filter((reason) => isTransient(accountFailure(reason)))
    expect(short).toEqual([
      'connect_failed',
      'proxy_failed',
      'timeout',
      'server_error',
      'bad_answer',
      'overloaded',
    ])
    for (const reason of short) {
      const expected = { cooldownMs: second / 2, maxCooldownMs: 5 * second }
      expect(onlyAccountCooldown(accountFailure(reason))).toEqual(expected)
    }
  })

  it('is of seconds for a rate limit that names no end, and for no other failure different', () => {
    const expected = { cooldownMs: second / 2, maxCooldownMs: 15 * second }
    expect(onlyAccountCooldown(accountFailure('rate_limited'))).toEqual(expected)
    for (const reason of ['account_refused', 'credential_unreadable'] as const) {
      expect(onlyAccountCooldown(accountFailure(reason))).toBeUndefined()
    }
  })

  it('lasts as long as the vendor asks for', () => {
    for (const reason of ['server_error', 'rate_limited'] as const) {
      expect(onlyAccountCooldown(accountFailure(reason, 1_800_000_000_000))).toBeUndefined()
    }
  })
})
