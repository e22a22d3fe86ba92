import { describe, expect, it } from 'vitest'
import { classifyAnswer, resetMs } from '../../src/relay/failure.ts'

const now = Date.parse('2026-11-22T12:00:00Z')
const minute = 60_000
const judge = (status: number, body = '{"type":"error"}', headers = {}) =>
  classifyAnswer({ status, headers: new Headers(headers), body }, 7 * minute, now)

describe('the judgement of an answer', () => {
  it.each([
    [301, 'bad_answer'],
    [401, 'account_refused'],
    [402, 'account_refused'],
    [403, 'account_refused'],
    [408, 'timeout'],
    [429, 'rate_limited'],
    [500, 'server_error'],
    [502, 'server_error'],
    [503, 'server_error'],
    [529, 'overloaded'],
  ])('%i is the account’s failure: %s', (status, reason) => {
    expect(judge(status)?.reason).toBe(reason)
  })

  it.each([400, 404, 405, 409, 413, 415, 422])('%i is the caller’s own fault', (status) => {
    expect(judge(status)).toBeUndefined()
  })

  it.each([
    'Your credit balance is too low to access the Anthropic API.',
    'This organization has been disabled.',
    'You exceeded your current quota, please check your plan',
  ])('a 400 that says "%s" is the account’s failure', (message) => {
    expect(judge(400, JSON.stringify({ error: { message } }))?.reason).toBe('account_refused')
  })

  it.each(['insufficient_quota', 'billing_hard_limit_reached'])(
    'a 400 or 429 whose code is %s is the account’s failure',
    (code) => {
      expect(judge(400, JSON.stringify({ error: { code } }))?.reason).toBe('account_refused')
      expect(judge(429, JSON.stringify({ error: { type: code } }))?.reason).toBe('account_refused')
    },
  )

  it('what the caller wrote, and the vendor quotes, says nothing about the account', () => {
    const quoted = 'model: insufficient_quota Your credit balance is too low'
    for (const status of [400, 404, 413, 422]) {
      expect(judge(status, JSON.stringify({ error: { message: quoted } }))).toBeUndefined()
    }
    const refusal = JSON.stringify({ error: { code: 'insufficient_quota' } })
    expect(judge(404, refusal)).toBeUndefined()
  })

  it('a 404 or 405 that is not JSON means that the address is wrong', () => {
    expect(judge(404, '<html>')?.reason).toBe('bad_answer')
    expect(judge(405, '')?.reason).toBe('bad_answer')
    expect(judge(413, '<html>')).toBeUndefined()
  })

  it('a 429 cools until the time it names, else for the account’s own time', () => {
    expect(judge(429, '{}', { 'retry-after': '30' })).toMatchObject({ untilMs: now + 30_000 })
    expect(judge(429)).toMatchObject({ untilMs: 0, cooldownMs: 7 * minute })
  })
})

describe('the end that retry-after names', () => {
  const reset = (value: string) => resetMs(new Headers({ 'retry-after': value }), now)
  it.each([
    ['30', now + 30_000],
    ['1.5', now + 1_500],
    ['Sun, 22 Nov 2026 12:10:00 GMT', now + 10 * minute],
    ['99999999', now + 24 * 60 * minute],
    ['0', 0],
    ['-5', 0],
    ['soon', 0],
    ['Sun, 22 Nov 2020 12:10:00 GMT', 0],
  ])('%s', (value, expected) => {
    expect(reset(value)).toBe(expected)
  })
})
