import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  limitedScope,
  longestResetMs,
  resetMs,
} from '../../../src/platforms/failures/reset-time.ts'
import { runs } from '../../support/property.ts'

const now = Date.parse('2026-11-22T12:00:00Z')
const second = 1_000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour
const unixSeconds = (ms: number) => String((now + ms) / second)
const reset = (headers: Record<string, string>, body = '') =>
  resetMs(new Headers(headers), body, now)
const ahead = (headers: Record<string, string>, error?: object) => {
  const endMs = reset(headers, error === undefined ? '' : JSON.stringify({ error }))
  return endMs === 0 ? 0 : endMs - now
}

describe('the end that retry-after names', () => {
  it.each([
    ['seconds', '30', 30 * second],
    ['a decimal', '1.5', 1.5 * second],
    ['an IMF-fixdate', 'Sun, 22 Nov 2026 12:10:00 GMT', 10 * minute],
    ['unix seconds', unixSeconds(minute), minute],
    ['unix milliseconds', String(now + minute), minute],
    ['a duration', '1m30s', 90 * second],
    ['an RFC 3339 time', '2026-11-22T12:01:00Z', minute],
    ['more than a week: a week', '99999999', longestResetMs],
    ['two values: the later', '30, 60', minute],
    ['two dates: the later', 'Sun, 22 Nov 2026 12:01:00 GMT, Sun, 22 Nov 2026 12:02:00 GMT', 120e3],
    ['a usable value beside one that is not', 'soon, 30', 30 * second],
  ])('is read as %s', (_, value, expected) => {
    expect(ahead({ 'retry-after': value })).toBe(expected)
  })

  it.each([
    '0',
    '-5',
    '+5',
    'NaN',
    'Infinity',
    '1e3',
    '0x10',
    'soon',
    ',',
    '9'.repeat(400),
    '1000000000000000',
    'Sun, 22 Nov 2020 12:10:00 GMT',
    'Sunday, 22-Nov-26 12:10:00 GMT',
    'Sun Nov 22 12:10:00 2026',
    'Sun, 32 Nov 2026 12:10:00 GMT',
    'Sun, 22 Foo 2026 12:10:00 GMT',
    '2026-99-99T99:99:99Z',
  ])('is not known from %s', (value) => {
    expect(reset({ 'retry-after': value })).toBe(0)
  })

  it('is more precise as retry-after-ms, which goes first when it is usable', () => {
    expect(ahead({ 'retry-after-ms': '1500', 'retry-after': '9' })).toBe(1_500)
    expect(ahead({ 'retry-after-ms': 'x', 'retry-after': '9' })).toBe(9 * second)
  })

  it('goes before what limits say, unless it is of no use', () => {
    const exhausted = {
      'anthropic-ratelimit-requests-remaining': '0',
      'anthropic-ratelimit-requests-reset': '2026-11-22T13:00:00Z',
    }
    expect(ahead({ ...exhausted, 'retry-after': '5' })).toBe(5 * second)
    expect(ahead({ ...exhausted, 'retry-after': '0' })).toBe(hour)
  })
})

describe('the end of a limit that is used up', () => {
  it.each([
    [
      'Anthropic’s requests and tokens: the latest',
      {
        'anthropic-ratelimit-requests-remaining': '0',
        'anthropic-ratelimit-requests-reset': '2026-11-22T12:01:00Z',
        'anthropic-ratelimit-input-tokens-remaining': '0',
        'anthropic-ratelimit-input-tokens-reset': '2026-11-22T13:02:00+01:00',
        'anthropic-ratelimit-output-tokens-remaining': '8000',
        'anthropic-ratelimit-output-tokens-reset': '2026-11-22T12:30:00.5Z',
      },
      2 * minute,
    ],
    [
      'a subscription’s window, not the others that are open',
      {
        'anthropic-ratelimit-unified-status': 'rejected',
        'anthropic-ratelimit-unified-reset': unixSeconds(2 * hour),
        'anthropic-ratelimit-unified-5h-status': 'rejected',
        'anthropic-ratelimit-unified-5h-reset': unixSeconds(2 * hour),
        'anthropic-ratelimit-unified-7d-status': 'allowed_warning',
        'anthropic-ratelimit-unified-7d-reset': unixSeconds(5 * day),
        'anthropic-ratelimit-unified-overage-status': 'rejected',
        'anthropic-ratelimit-unified-overage-reset': unixSeconds(6 * day),
      },
      2 * hour,
    ],
    [
      'a subscription’s window by what is used of it, when no status is given',
      {
        'anthropic-ratelimit-unified-5h-utilization': '1.08',
        'anthropic-ratelimit-unified-5h-reset': unixSeconds(hour),
      },
      hour,
    ],
    [
      'a subscription’s bare end, as older relays pass it on',
      { 'anthropic-ratelimit-unified-reset': unixSeconds(hour) },
      hour,
    ],
    [
      'the account’s window rather than a family’s, which may not have been asked for',
      {
        'anthropic-ratelimit-unified-5h-status': 'rejected',
        'anthropic-ratelimit-unified-5h-reset': unixSeconds(hour),
        'anthropic-ratelimit-unified-7d_opus-status': 'rejected',
        'anthropic-ratelimit-unified-7d_opus-reset': unixSeconds(5 * day),
      },
      hour,
    ],
    [
      'a family’s window when it is the only one',
      {
        'anthropic-ratelimit-unified-5h-status': 'allowed',
        'anthropic-ratelimit-unified-5h-reset': unixSeconds(hour),
        'anthropic-ratelimit-unified-7d_opus-status': 'rejected',
        'anthropic-ratelimit-unified-7d_opus-reset': unixSeconds(5 * day),
      },
      5 * day,
    ],
    [
      'OpenAI’s requests',
      {
        'x-ratelimit-remaining-requests': '0',
        'x-ratelimit-reset-requests': '6m0s',
        'x-ratelimit-remaining-tokens': '90',
        'x-ratelimit-reset-tokens': '20ms',
      },
      6 * minute,
    ],
    [
      'OpenAI’s tokens of a project',
      {
        'x-ratelimit-remaining-project-tokens': '0',
        'x-ratelimit-reset-project-tokens': '3s',
      },
      3 * second,
    ],
    [
      'Codex’s windows: the latest that is used up',
      {
        'x-codex-primary-used-percent': '100',
        'x-codex-primary-reset-after-seconds': '600',
        'x-codex-primary-reset-at': unixSeconds(10 * minute),
        'x-codex-primary-window-minutes': '300',
        'x-codex-secondary-used-percent': '100.0',
        'x-codex-secondary-reset-after-seconds': '86400',
        'x-codex-secondary-window-minutes': '10080',
      },
      day,
    ],
    [
      'Codex’s window that is used up, not the one that is open',
      {
        'x-codex-primary-used-percent': '100',
        'x-codex-primary-reset-after-seconds': '600',
        'x-codex-secondary-used-percent': '80',
        'x-codex-secondary-reset-after-seconds': '316705',
      },
      10 * minute,
    ],
  ])('is %s', (_, headers, expected) => {
    expect(ahead(headers as Record<string, string>)).toBe(expected)
  })

  it('is the soonest when each limit counts something left: it was too little', () => {
    const headers = {
      'x-ratelimit-remaining-requests': '59',
      'x-ratelimit-reset-requests': '1s',
      'x-ratelimit-remaining-tokens': '100',
      'x-ratelimit-reset-tokens': '1m',
    }
    expect(ahead(headers)).toBe(second)
  })

  it('is unknown when only windows are named that are open', () => {
    const headers = {
      'anthropic-ratelimit-unified-status': 'allowed',
      'anthropic-ratelimit-unified-reset': unixSeconds(hour),
      'anthropic-ratelimit-unified-5h-status': 'allowed',
      'anthropic-ratelimit-unified-5h-reset': unixSeconds(hour),
      'x-codex-primary-used-percent': '7',
      'x-codex-primary-reset-after-seconds': '600',
    }
    expect(ahead(headers)).toBe(0)
  })

  it.each([
    ['1h2m3s', hour + 2 * minute + 3 * second],
    ['1d', day],
    ['1.5s', 1.5 * second],
    ['20ms', 20],
    ['7', 7 * second],
    ['0s', 0],
    ['-1s', 0],
    ['1x', 0],
    ['s', 0],
  ])('is read from the duration %s', (value, expected) => {
    const headers = { 'x-ratelimit-remaining-tokens': '0', 'x-ratelimit-reset-tokens': value }
    expect(ahead(headers)).toBe(expected)
  })
})

describe('the end that an error names', () => {
  const tokens = 'Rate limit reached for gpt-4.1 in organization org-x on tokens per min (TPM)'
  it.each([
    ['resets_at in unix seconds', { resets_at: (now + hour) / second }, hour],
    ['resets_at in milliseconds', { resets_at: now + hour }, hour],
    ['resets_at in RFC 3339', { resets_at: '2026-11-22T13:00:00Z' }, hour],
    ['resets_at in the past', { resets_at: 1_750_000_000 }, 0],
    ['resets_in_seconds', { resets_in_seconds: 13_872 }, 13_872 * second],
    ['a negative number', { resets_in_seconds: -1 }, 0],
    ['another type', { resets_at: { at: 5 }, resets_in_seconds: [5] }, 0],
    [
      'a day on which access returns',
      {
        message:
          'You have reached your specified API usage limits. You will regain access on 2026-11-25 at 00:00 UTC.',
      },
      2.5 * day,
    ],
    [
      'a day beyond what is believed',
      {
        message:
          'You have reached your specified workspace API usage limits. You will regain access on 2026-12-25 at 00:00 UTC.',
      },
      longestResetMs,
    ],
    [
      'a wait',
      { message: `${tokens}: Limit 10000, Used 8554, Requested 3082. Please try again in 9.816s.` },
      9_816,
    ],
    ['a longer wait', { message: `${tokens}: Limit 1. Please try again in 6m0s. Visit x` }, 360e3],
    [
      'a short wait',
      { message: `${tokens}. Limit: 1 / min. Please try again in 20ms. Contact` },
      20,
    ],
    ['a wait that the caller wrote', { message: 'model: Please try again in 6d. x' }, 0],
    [
      'a day that the caller wrote into the name of a field',
      {
        message:
          'You have reached your limit. You will regain access on 2026-11-25 at 00:00 UTC: Extra inputs are not permitted',
      },
      0,
    ],
  ])('is read from %s', (_, error, expected) => {
    expect(ahead({}, error)).toBe(expected)
  })

  it('counts among the limits that are used up: the latest of all', () => {
    const headers = {
      'x-codex-secondary-used-percent': '100',
      'x-codex-secondary-reset-after-seconds': '7200',
    }
    expect(ahead(headers, { resets_in_seconds: 3_600 })).toBe(2 * hour)
    expect(ahead(headers, { resets_in_seconds: 10_800 })).toBe(3 * hour)
  })
})

describe('whatever an upstream sends', () => {
  const names = [
    'retry-after',
    'retry-after-ms',
    'anthropic-ratelimit-unified-reset',
    'anthropic-ratelimit-unified-status',
    'anthropic-ratelimit-unified-5h-reset',
    'anthropic-ratelimit-unified-5h-utilization',
    'anthropic-ratelimit-tokens-remaining',
    'anthropic-ratelimit-tokens-reset',
    'x-ratelimit-reset',
    'x-ratelimit-remaining-requests',
    'x-ratelimit-reset-requests',
    'x-codex-primary-used-percent',
    'x-codex-primary-reset-at',
    'x-codex-primary-reset-after-seconds',
  ]
  const number = fc.oneof(fc.integer(), fc.double(), fc.nat(200), fc.maxSafeInteger())
  const value = fc.oneof(
    fc.string(),
    number.map(String),
    fc.date({ noInvalidDate: true }).map((date) => date.toUTCString()),
    fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
    fc.tuple(number, fc.constantFrom('s', 'm', 'ms', 'd')).map((parts) => parts.join('')),
    fc.constantFrom('0', '100', 'rejected', 'Sun, 22 Nov 2026 12:10:00 GMT', '9'.repeat(40)),
  )
  const pairs = fc.array(fc.tuple(fc.constantFrom(...names), value))
  const error = fc.record(
    {
      resets_at: fc.oneof(value, number),
      resets_in_seconds: fc.oneof(value, number),
      message: value,
    },
    { requiredKeys: [] },
  )
  const body = fc.oneof(
    fc.string(),
    fc.json(),
    error.map((fields) => JSON.stringify({ error: fields })),
  )
  const moment = fc.integer({ min: Date.parse('2025-01-01'), max: Date.parse('2060-01-01') })

  it('gives no end, or one that lies ahead, a week at most', () => {
    fc.assert(
      fc.property(pairs, body, moment, (sent, text, nowMs) => {
        const headers = new Headers()
        for (const [name, given] of sent) headers.append(name, given)
        const endMs = resetMs(headers, text, nowMs)
        if (endMs === 0) return
        expect(Number.isInteger(endMs)).toBe(true)
        expect(endMs).toBeGreaterThan(nowMs)
        expect(endMs).toBeLessThanOrEqual(nowMs + longestResetMs)
      }),
      runs(2_000),
    )
  })
})

describe('a rate limit of Anthropic', () => {
  const unified = (fields: Record<string, string>) => {
    const prefixed = Object.entries(fields).map(([name, value]): [string, string] => [
      `anthropic-ratelimit-unified-${name}`,
      value,
    ])
    return limitedScope(new Headers(prefixed))
  }
  it.each([
    ['account', { status: 'rejected' }],
    ['account', { status: 'rejected', 'representative-claim': 'seven_day' }],
    ['account', { '5h-status': 'rejected', 'representative-claim': 'seven_day_opus' }],
    ['family', { status: 'rejected', 'representative-claim': 'seven_day_opus' }],
    [undefined, { status: 'rejected', 'representative-claim': 'seven_day_overage_included' }],
    ['family', { '7d_sonnet-status': 'rejected' }],
    ['account', { '7d_sonnet-status': 'rejected', '7d-status': 'rejected' }],
    [undefined, { status: 'allowed_warning', '5h-status': 'allowed' }],
    [undefined, { 'overage-status': 'rejected' }],
    [undefined, {}],
  ])('limits %s, by %o', (expected, fields) => {
    expect(unified(fields as Record<string, string>)).toBe(expected)
  })
})
