import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { accountFailure } from '../../../src/domain/cooldowns.ts'
import { classifyAnswer, classifyErrorEvent } from '../../../src/platforms/failures/classify.ts'
import { readAnswer } from '../../support/fixtures.ts'

const now = Date.parse('2026-11-22T12:00:00Z')
const second = 1_000
const minute = 60 * second
const hour = 60 * minute
type Sent = Record<string, string>
const judge = (status: number, body = '{"type":"error"}', headers: Sent = {}) =>
  classifyAnswer({ status, headers: new Headers(headers), body }, 7 * minute, now)
const judgeError = (status: number, error: object, headers: Sent = {}) =>
  judge(status, JSON.stringify({ type: 'error', error }), headers)
const judgeEvent = (error: object) => classifyErrorEvent(error, 7 * minute, now)

const wire = (error: object) => JSON.stringify({ type: 'error', error })
const caseBody = (name: string) => readAnswer(name).body
const unknownBeta = 'Unexpected value(s) `context-1m-2025-08-07` for the `anthropic-beta` header.'

/** Sentences and whole bodies as vendors and relays have been seen to write them. */
const refusals = [
  'Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.',
  'This organization has been disabled.',
  'Your account has been disabled after an automatic review of your recent activities.',
  'OAuth token has been revoked. Please obtain a new token.',
  'OAuth token has expired. Please obtain a new token or refresh your existing token.',
  'OAuth authentication is currently not allowed for this organization.',
  'You exceeded your current quota, please check your plan and billing details. For more information on this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.',
  'Your account is not active, please check your billing details on our website.',
  'This key is associated with a deactivated account. If you feel this is an error, contact us through our help center at help.openai.com.',
  'Your authentication token has been invalidated. Please try signing in again.',
  'user quota is not enough (request id: 2024040323172594066980027391365)',
  'Insufficient account balance',
  '用户额度不足, 剩余额度: ＄-0.000002 (request id: 202608190933135792535838268d9d6rhgZmzsh)',
  '预扣费额度失败, 用户剩余额度: ＄2.533620, 需要预扣费额度: ＄2.627750 (request id: 2026051120249d6jw)',
]
const overQuota = [
  'You have reached your specified API usage limits. You will regain access on 2026-11-25 at 00:00 UTC.',
  'You have reached your specified workspace API usage limits. You will regain access on 2026-11-25 at 00:00 UTC.',
  "You have reached your API usage limits: your organization has crossed its monthly API usage threshold, set based on your organization's API tier. You will regain access on 2026-11-25 at 00:00 UTC.",
]

describe('an answer without a reply', () => {
  it.each([
    [200, 'bad_answer'],
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
    expect(judge(status, '')?.reason).toBe(reason)
  })

  it.each([400, 404, 405, 409, 413, 415, 422])('%i is the caller’s own fault', (status) => {
    expect(judge(status)).toBeUndefined()
    expect(judgeError(status, { type: 'invalid_request_error', message: 'x' })).toBeUndefined()
  })

  it('a 403 with an HTML page comes from a firewall, which may have objected to the request', () => {
    expect(judge(403, '<html><h1>Blocked</h1></html>')).toEqual(accountFailure('bad_answer'))
  })

  it('a 404 or 405 that is not JSON means that the address is wrong', () => {
    expect(judge(404, '<html>')?.reason).toBe('bad_answer')
    expect(judge(405, '')?.reason).toBe('bad_answer')
  })

  it.each([
    ['a list under `error`', caseBody('F07a-400-error-list.http')],
    ['`detail`', '{"detail":"Unsupported parameter"}'],
    ['`detail` as a list', '{"detail":[{"loc":["body"],"msg":"field required"}]}'],
    ['an unknown model', caseBody('F07d-400-model_not_found.http')],
    [
      'an unknown model in the vendor’s words',
      wire({ type: 'not_found_error', message: 'model: x' }),
    ],
    ['a page of a proxy', caseBody('F07f-413-page.http')],
    ['nothing', ''],
    ['a beta that is not for this account', caseBody('F07h-400-long-context.http')],
    ['a beta that its upstream does not know', wire({ message: unknownBeta })],
    ['a failure behind the API', wire({ type: 'api_error', message: 'Internal server error' })],
    ['a failed provider', wire({ message: 'Failed to get response from provider' })],
  ])('a refusal by %s depends on the account, which does not cool down', (_, body) => {
    for (const status of [400, 413, 422]) {
      expect(judge(status, body)).toEqual(accountFailure('unsupported_by_account'))
    }
  })

  it('an overload or a limit is one whatever its status', () => {
    expect(judgeError(400, { type: 'overloaded_error' })).toEqual(accountFailure('overloaded'))
    expect(judgeError(400, { message: 'Overloaded' })).toEqual(accountFailure('overloaded'))
    expect(judgeError(400, { type: 'rate_limit_error' })).toMatchObject({ reason: 'rate_limited' })
  })

  it.each([
    'prompt is too long: 200001 tokens > 200000 maximum',
    'messages.0.role: Input should be',
    'max_tokens: 999999 > 64000, which is the maximum allowed',
  ])('a mistake of the caller is theirs at once: %s', (message) => {
    expect(judgeError(400, { type: 'invalid_request_error', message })).toBeUndefined()
  })

  it.each([
    [500, { type: 'overloaded_error', message: 'Overloaded' }],
    [503, { type: 'server_error', code: 'server_is_overloaded' }],
    [503, { type: 'service_unavailable_error', code: 'slow_down' }],
    [429, { type: 'rate_limit_error', code: 'slow_down' }],
    [503, { message: 'The engine is currently overloaded, please try again later' }],
  ])('%i with %o is an overload', (status, error) => {
    expect(judgeError(status, error)).toEqual(accountFailure('overloaded'))
  })

  it('a failure that is not a limit waits as it asks, within the cooldowns of its reason', () => {
    const wait = (status: number, seconds: string) =>
      (judge(status, '', { 'retry-after': seconds })?.untilMs ?? 0) - now
    expect(wait(503, '60')).toBe(minute)
    expect(wait(503, '3600')).toBe(5 * minute)
    expect(wait(529, '3600')).toBe(minute)
    expect(wait(503, '1')).toBe(-now)
    expect(wait(401, '3600')).toBe(-now)
  })
})

describe('what a body says of the account', () => {
  const statuses = [200, 400, 404, 422, 429, 500]
  it.each(refusals)('counts whatever the status: %s', (message) => {
    for (const status of statuses) {
      const expected = accountFailure('account_refused')
      expect(judgeError(status, { type: 'invalid_request_error', message })).toEqual(expected)
      expect(judge(status, JSON.stringify({ message }))).toEqual(expected)
    }
  })

  it.each([
    'insufficient_quota',
    'billing_hard_limit_reached',
    'billing_not_active',
    'account_deactivated',
    'credit_balance_exhausted',
    'organization_spend_limit_exceeded',
    'project_spend_limit_exceeded',
    'usage_not_included',
    'insufficient_user_quota',
    'authentication_error',
  ])('counts by its code or type: %s', (name) => {
    for (const status of statuses) {
      expect(judgeError(status, { code: name })?.reason).toBe('account_refused')
      expect(judgeError(status, { type: name })?.reason).toBe('account_refused')
    }
  })

  it.each([
    ['{"error":"Insufficient balance"}'],
    ['{"code":"INSUFFICIENT_BALANCE","message":"Insufficient account balance"}'],
    ['{"detail":{"code":"deactivated_workspace"}}'],
    ['{"detail":"This organization has been disabled."}'],
  ])('is found in %s', (body) => {
    expect(judge(400, body)?.reason).toBe('account_refused')
  })

  it.each(overQuota)('cools the account down until the end that it names: %s', (message) => {
    const expected = {
      reason: 'rate_limited',
      scope: 'account',
      untilMs: Date.parse('2026-11-25T00:00:00Z'),
      cooldownMs: second,
      maxCooldownMs: 7 * minute,
    }
    for (const status of statuses) expect(judgeError(status, { message })).toEqual(expected)
  })

  it('a used allowance that names no end counts as a refusal', () => {
    const error = { type: 'usage_limit_reached', resets_at: 1_750_000_000 }
    expect(judgeError(429, error)).toEqual(accountFailure('account_refused'))
    const soon = { 'x-ratelimit-reset-tokens': '20ms', 'x-ratelimit-remaining-tokens': '90' }
    expect(judgeError(429, { type: 'billing_error' }, soon)?.reason).toBe('account_refused')
  })

  it('what depends on the model or the client program fails over, and nothing cools down', () => {
    const unsupportedByAccount = { reason: 'unsupported_by_account', scope: 'none' }
    const message = 'Project `proj_x` does not have access to model `gpt-5`'
    expect(judgeError(403, { code: 'model_not_found', message })).toMatchObject(
      unsupportedByAccount,
    )
    expect(judgeError(403, { code: 'model_not_found' })).toMatchObject(unsupportedByAccount)
    expect(judgeError(404, { code: 'model_not_found' })).toMatchObject(unsupportedByAccount)
    for (const [status, type, said] of [
      [401, 'authentication_error', 'CORS requests are not allowed for this Organization'],
      [403, 'permission_error', 'This credential is only authorized for use with Claude Code'],
      [403, undefined, 'Client not allowed'],
    ] as const)
      expect(judgeError(status, { type, message: said })).toMatchObject(unsupportedByAccount)
    for (const missing of [
      '当前分组 default 下对于模型 gpt-5 无可用渠道 (request id: 2025082215093026624875464905761)',
      'No available channel for model gpt-5 under group default (distributor)',
      'No available Claude accounts support the requested model: claude-x',
    ]) {
      expect(judgeError(503, { message: missing })).toMatchObject(unsupportedByAccount)
    }
  })

  it('says nothing when it depends on how the request looks', () => {
    for (const message of [
      'Third-party apps now draw from your extra usage, not your plan limits.',
      "You're out of extra usage. Add more at claude.ai/settings/usage and keep going.",
    ]) {
      expect(judgeError(400, { type: 'invalid_request_error', message })).toBeUndefined()
    }
  })
})

describe('a 429', () => {
  it('cools down until the end it names, else for a second that doubles up to the account’s rateLimitDuration', () => {
    expect(judge(429, '{}', { 'retry-after': '30' })).toMatchObject({ untilMs: now + 30_000 })
    const endless = { untilMs: 0, cooldownMs: second, maxCooldownMs: 7 * minute }
    expect(judge(429)).toMatchObject(endless)
    for (const none of ['0', '-1', 'soon']) {
      expect(judge(429, '{}', { 'retry-after': none })).toMatchObject(endless)
    }
  })

  it('cools down the family that was asked for', () => {
    for (const error of [
      { type: 'rate_limit_error', message: 'Number of request tokens has exceeded your limit' },
      { type: 'tokens', code: 'rate_limit_exceeded', message: 'Rate limit reached for gpt-5' },
      { type: 'invalid_request_error', message: 'Too many requests' },
    ]) {
      expect(judgeError(429, error)).toMatchObject({ reason: 'rate_limited', scope: 'family' })
    }
  })

  it('cools down the account when the limit is the account’s', () => {
    const rejected = { 'anthropic-ratelimit-unified-5h-status': 'rejected' }
    const ofAccount = { reason: 'rate_limited', scope: 'account' }
    expect(judge(429, '{}', rejected)).toMatchObject(ofAccount)
    const message = "This request would exceed your account's rate limit. Please try again later."
    expect(judgeError(429, { type: 'rate_limit_error', message })).toMatchObject(ofAccount)
    const reached = { type: 'usage_limit_reached', resets_in_seconds: 3_600 }
    const untilMs = now + hour
    expect(judgeError(429, reached)).toMatchObject({ ...ofAccount, untilMs })
  })

  it('only moves the request on when that alone is larger than the limit', () => {
    for (const message of [
      'Request too large for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Requested 30601.',
      'Extra usage is required for long context requests.',
    ]) {
      const expected = accountFailure('unsupported_by_account')
      expect(judgeError(429, { code: 'rate_limit_exceeded', message })).toEqual(expected)
    }
  })
})

describe('a 429 whose headers say which limit it is', () => {
  it('cools down that family only, until its end, whatever the sentence says', () => {
    const { body, headers } = readAnswer('F01-family-window-429.http')
    const untilMs = now + 72 * hour
    headers['anthropic-ratelimit-unified-7d_opus-reset'] = String(untilMs / second)
    const expected = { reason: 'rate_limited', scope: 'family', untilMs }
    expect(judge(429, body, headers)).toMatchObject(expected)
  })
})

describe('a 429 of the fast mode', () => {
  const fast = {
    'anthropic-fast-output-tokens-limit': '80000',
    'anthropic-fast-output-tokens-remaining': '0',
    'retry-after': '30',
  }
  const error = { type: 'rate_limit_error', message: 'This request would exceed the rate limit' }

  it('says nothing of the account’s standard capacity: nothing cools down', () => {
    const untilMs = now + 30 * second
    const expected = accountFailure('unsupported_by_account', untilMs)
    expect(judgeError(429, error, fast)).toEqual(expected)
    const open = { 'anthropic-ratelimit-input-tokens-remaining': '5000' }
    expect(judgeError(429, error, { ...fast, ...open })).toEqual(expected)
  })

  it.each([
    ['anthropic-ratelimit-output-tokens-remaining', '0', 'anthropic-ratelimit-output-tokens-reset'],
    ['anthropic-ratelimit-unified-5h-status', 'rejected', 'anthropic-ratelimit-unified-5h-reset'],
  ])('is one of the account where that is used up as well: %s', (name, value, reset) => {
    const headers = { ...fast, [name]: value, [reset]: '2026-11-22T12:01:00Z' }
    expect(judgeError(429, error, headers)).toMatchObject({ reason: 'rate_limited' })
  })

  it('is no other refusal', () => {
    expect(judgeError(401, { type: 'authentication_error' }, fast)?.reason).toBe('account_refused')
    expect(judgeError(529, { type: 'overloaded_error' }, fast)?.reason).toBe('overloaded')
  })
})

describe('an error in an answer that began as a success', () => {
  it.each([
    ['overloaded', { type: 'overloaded_error', message: 'Overloaded' }],
    ['overloaded', { type: 'api_error', message: 'Internal server error' }],
    ['overloaded', { type: 'timeout_error' }],
    ['overloaded', { type: 'error', code: 'server_error', message: 'mid stream' }],
    ['overloaded', { code: 'server_is_overloaded' }],
    ['overloaded', { type: 'something_new' }],
    ['overloaded', {}],
    ['rate_limited', { type: 'rate_limit_error' }],
    ['rate_limited', { code: 'rate_limit_exceeded' }],
    ['account_refused', { type: 'authentication_error' }],
    ['account_refused', { type: 'permission_error' }],
    ['account_refused', { type: 'billing_error' }],
    ['account_refused', { code: 'insufficient_quota' }],
  ])('%s: %o', (reason, error) => {
    expect(judgeEvent(error)?.reason).toBe(reason)
    expect(judgeError(200, error)).toEqual(judgeEvent(error))
  })

  it.each([
    { type: 'invalid_request_error' },
    { type: 'not_found_error' },
    { type: 'request_too_large' },
    { code: 'context_length_exceeded' },
    { code: 'invalid_prompt' },
    { code: 'content_policy_violation' },
    { code: 'cyber_policy' },
  ])('is the caller’s own fault: %o', (error) => {
    expect(judgeEvent(error)).toBeUndefined()
  })

  it('names an end as the body of a refusal would', () => {
    const wait = 'Rate limit reached for gpt-5 on tokens per min. Please try again in 11.054s.'
    const limited = { code: 'rate_limit_exceeded', message: wait }
    expect(judgeEvent(limited)).toMatchObject({ scope: 'family', untilMs: now + 11_054 })
    const reached = { type: 'usage_limit_reached', resets_at: (now + hour) / second }
    expect(judgeEvent(reached)).toMatchObject({ scope: 'account', untilMs: now + hour })
  })
})

describe('what the caller wrote, and the vendor quotes', () => {
  const sentence = fc.constantFrom(
    ...refusals,
    ...overQuota,
    'insufficient_quota',
    'overloaded_error',
  )
  const lead = fc.constantFrom(
    'model: ',
    'Invalid value: ',
    "Unknown parameter: '",
    'x. ',
    '"',
    '{',
  )
  const status = fc.constantFrom(200, 400, 404, 405, 413, 422, 429, 500, 503, 529)
  const error = fc.constantFrom(
    { type: 'invalid_request_error' },
    { type: 'not_found_error' },
    { type: 'rate_limit_error' },
    { type: 'api_error' },
    {},
  )
  const sameAsSilence = (given: number, fields: object, message: string) => {
    expect(judgeError(given, { ...fields, message })).toEqual(judgeError(given, fields))
  }

  it('changes no verdict when it stands inside a message', () => {
    fc.assert(
      fc.property(
        status,
        error,
        lead,
        sentence,
        fc.string(),
        (given, fields, before, said, after) => sameAsSilence(given, fields, before + said + after),
      ),
    )
  })

  it('changes no verdict as the name of an unknown field, which begins a message', () => {
    const tail = fc.constantFrom('Extra inputs are not permitted', 'Field required')
    fc.assert(
      fc.property(status, error, sentence, fc.nat(), tail, (given, fields, said, cut, reason) =>
        sameAsSilence(given, fields, `${said.slice(0, cut || undefined)}: ${reason}`),
      ),
    )
  })

  it('changes no verdict as the value of a field that is no code', () => {
    for (const given of [400, 404, 413, 422]) {
      expect(judgeError(given, { param: 'insufficient_quota', message: 'x' })).toBeUndefined()
      expect(judge(given, '{"error":{"message":{"code":"insufficient_quota"}}}')).toBeUndefined()
    }
  })
})
