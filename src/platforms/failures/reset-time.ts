/** Reads when a rate limit ends, in every form that vendors and relays send. */
import type { HeaderReader } from '../../http-message.ts'
import { readError, type WireError } from './wire-error.ts'

const second = 1_000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour

/**
 * The longest wait that is taken from a vendor. Their longest window is a week (Anthropic `7d`, Codex
 * 10080 minutes); a longer one, such as a month's spend limit, is tried once a week, since it may have
 * been raised.
 */
export const longestResetMs = 7 * day

/** One limit that headers describe. */
interface Limit {
  endMs: number
  /** `unsaid`: some of it is left, which may be less than the request needs. */
  state: 'exhausted' | 'unsaid' | 'open'
  /** It counts one family of models only. */
  isOfFamily: boolean
}

/**
 * The end of the limit that an answer ran into, in epoch ms, at most `longestResetMs` ahead; 0 when
 * it names none that lies ahead.
 *
 * 1. `retry-after-ms`, then `retry-after`: what the vendor says of this very request.
 * 2. The latest end among the error itself and the limits that say they are used up: all of them
 *    must have passed.
 * 3. The soonest end of a limit that counts what remains, since that was not enough. A window that
 *    says it is open is ignored: its end may be days away.
 */
export function resetMs(headers: HeaderReader, body: string, nowMs: number): number {
  const named = namedEndMs(headers, readError(body), nowMs)
  if (named > 0) return named
  const ends = limitsOf(headers, nowMs).flatMap(({ state, endMs }) =>
    state === 'unsaid' && endMs > nowMs ? [endMs] : [],
  )
  return ahead(Math.min(...ends), nowMs)
}

/** `resetMs` without its third step: only ends of a limit that is certainly used up. */
export function namedEndMs(
  headers: HeaderReader,
  error: WireError | undefined,
  nowMs: number,
): number {
  const wanted = retryAfterMs(headers, nowMs)
  if (wanted > 0) return wanted
  const exhausted = limitsOf(headers, nowMs).filter(({ state }) => state === 'exhausted')
  // Headers may also describe the windows of families that the request did not ask for.
  const binding = exhausted.some(({ isOfFamily }) => !isOfFamily)
    ? exhausted.filter(({ isOfFamily }) => !isOfFamily)
    : exhausted
  const ends = [...bodyEnds(error, nowMs), ...binding.map(({ endMs }) => endMs)]
  return ahead(Math.max(...ends.filter(Number.isFinite)), nowMs)
}

/**
 * The moment that `retry-after-ms` (OpenAI's and Anthropic's client libraries read it first) or
 * `retry-after` (RFC 9110 §10.2.3) names, in epoch ms like `resetMs`.
 */
export function retryAfterMs(headers: HeaderReader, nowMs: number): number {
  const precise = fields(headers, 'retry-after-ms').map((value) => nowMs + numberOf(value))
  return ahead(latest(precise), nowMs) || ahead(endOf(headers, 'retry-after', nowMs), nowMs)
}

/**
 * What a 429 of Anthropic limits, by its headers: the whole subscription when a window such as `5h`
 * or `7d` is used up, one family when only a window such as `7d_opus` (claim `seven_day_opus`) is.
 * Undefined when they do not say. The vendor documents none of these names; they are as recorded from
 * its answers (Wei-Shaw/sub2api#3698, askalf/dario#141).
 */
export function limitedScope(headers: HeaderReader): 'account' | 'family' | undefined {
  const isRejected = (name: string) => fields(headers, name).some((value) => rejected.has(value))
  let isOfFamily = false
  for (const [name] of headers) {
    const window = /^anthropic-ratelimit-unified-\d+[mhd](_.+)?-status$/.exec(name)
    if (!window || !isRejected(name)) continue
    if (window[1] === undefined) return 'account'
    isOfFamily = true
  }
  const claim = headers.get('anthropic-ratelimit-unified-representative-claim') ?? ''
  const isOverall = isRejected('anthropic-ratelimit-unified-status')
  if (isOfFamily || (isOverall && /^seven_day_(?!overage)./.test(claim))) return 'family'
  return isOverall && !claim.startsWith('seven_day_') ? 'account' : undefined
}

/**
 * Whether a 429 is about the capacity of the fast mode alone, which has limits of its own
 * (`anthropic-fast-{input,output}-tokens-{limit,remaining,reset}`, platform.claude.com/docs/en/build-with-claude/fast-mode):
 * an answer that describes those, and no other limit that is used up.
 */
export function isFastModeLimit(headers: HeaderReader, nowMs: number): boolean {
  const isDescribed = [...headers].some(([name]) => name.startsWith('anthropic-fast-'))
  if (!isDescribed || limitedScope(headers) !== undefined) return false
  return !limitsOf(headers, nowMs).some(({ state }) => state === 'exhausted')
}

const rejected = new Set(['rejected', 'rate_limited'])

function limitsOf(headers: HeaderReader, nowMs: number): Limit[] {
  return [...headers].flatMap(([name]) => {
    const limit = anthropicLimit(headers, name) ?? openaiLimit(headers, name)
    return limit ? [{ ...limit, endMs: endOf(headers, name, nowMs) }] : []
  })
}

/**
 * `anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-{remaining,reset}`, RFC 3339
 * (platform.claude.com/docs/en/api/rate-limits, "Response headers"), and for subscriptions
 * `anthropic-ratelimit-unified[-5h|-7d|-7d_opus]-{status,utilization,reset}` in unix seconds.
 */
function anthropicLimit(headers: HeaderReader, name: string): Omit<Limit, 'endMs'> | undefined {
  const [, prefix = '', window = ''] = /^(anthropic-ratelimit-(.+))-reset$/.exec(name) ?? []
  if (prefix === '') return undefined
  if (!window.startsWith('unified')) {
    const isEmpty = fields(headers, `${prefix}-remaining`).some(isNone)
    return { state: isEmpty ? 'exhausted' : 'unsaid', isOfFamily: false }
  }
  // Others, such as `unified-overage`, describe a budget that the limits do not depend on.
  if (!/^unified(-\d+[mhd](_.+)?)?$/.test(window)) return undefined
  const status = fields(headers, `${prefix}-status`)
  const isUsedUp = status.length
    ? status.some((value) => rejected.has(value))
    : fields(headers, `${prefix}-utilization`).some((value) => Number(value) >= 1)
  // A sole end without a status is what older relays pass on of a refusal.
  const isBare = window === 'unified' && status.length === 0
  const state = isUsedUp ? 'exhausted' : isBare ? 'unsaid' : 'open'
  return { state, isOfFamily: window.includes('_') }
}

/**
 * `x-ratelimit-{remaining,reset}-{requests,tokens,project-tokens}` as `6m0s`
 * (developers.openai.com/api/docs/guides/rate-limits, "Rate limits in headers"), and of Codex
 * `x-codex-{primary,secondary}-{used-percent,reset-at,reset-after-seconds}`, also with the name of a
 * limit after `x-codex-` (openai/codex, codex-api/src/rate_limits.rs).
 */
function openaiLimit(headers: HeaderReader, name: string): Omit<Limit, 'endMs'> | undefined {
  const counted = /^x-ratelimit-reset(-.+)?$/.exec(name)
  if (counted) {
    const remaining = fields(headers, `x-ratelimit-remaining${counted[1] ?? ''}`)
    const isEmpty = remaining.some(isNone)
    return { state: isEmpty ? 'exhausted' : 'unsaid', isOfFamily: false }
  }
  const window = /^(x-codex-(.+-)?(primary|secondary))-reset-(at|after-seconds)$/.exec(name)
  if (!window) return undefined
  const used = fields(headers, `${window[1]}-used-percent`)
  const isUsedUp = used.some((value) => Number(value) >= 100)
  return { state: isUsedUp ? 'exhausted' : 'open', isOfFamily: window[2] !== undefined }
}

/**
 * The ends that an error object names: `resets_at`, `resets_in_seconds` (Codex), and in words.
 * Each sentence is taken whole, because what a caller wrote may stand in a part of one.
 */
function bodyEnds(error: WireError | undefined, nowMs: number): number[] {
  if (!error) return []
  const { resets_at: at, resets_in_seconds: inSeconds, message } = error
  const ends = [at, inSeconds].map((value) => momentOf(String(value ?? ''), nowMs))
  const date = /^You have reached your .*\. You will regain access on (\S+) at (\d\d:\d\d) UTC\.?$/
  const [, onDay = '', atTime = ''] = date.exec(message ?? '') ?? []
  const wait = /^Rate limit reached for .*\. Please try again in (\d[\d.]*[a-z][\da-z.]*?)\.( |$)/
  const [, duration = ''] = wait.exec(message ?? '') ?? []
  return [...ends, momentOf(`${onDay}T${atTime}:00Z`, nowMs), momentOf(duration, nowMs)]
}

const isNone = (value: string) => Number(value) <= 0

/** The latest moment that a header names, NaN when it names none. */
function endOf(headers: HeaderReader, name: string, nowMs: number): number {
  return latest(fields(headers, name).map((value) => momentOf(value, nowMs)))
}

function latest(moments: number[]): number {
  const known = moments.filter(Number.isFinite)
  return known.length === 0 ? Number.NaN : Math.max(...known)
}

/** The values of a header that may have been sent more than once; the comma in a date separates none. */
function fields(headers: HeaderReader, name: string): string[] {
  const values = (headers.get(name) ?? '').split(/,(?!\s*\d{2} [A-Za-z]{3})/)
  return values.map((value) => value.trim()).filter((value) => value !== '')
}

/** `endMs` as a whole number within (now, now + cap], or 0 when it is no moment ahead. */
function ahead(endMs: number, nowMs: number): number {
  if (!Number.isFinite(endMs) || endMs <= nowMs) return 0
  return Math.min(Math.ceil(endMs), nowMs + longestResetMs)
}

function numberOf(text: string): number {
  return /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN
}

/**
 * The moment that a value names, in epoch ms, or NaN. A bare number is told by its magnitude: below
 * 10⁹ seconds from now, below 10¹¹ unix seconds, below 10¹⁴ unix milliseconds.
 */
function momentOf(text: string, nowMs: number): number {
  const number = numberOf(text)
  if (number < 1e9) return nowMs + number * second
  if (number < 1e11) return number * second
  if (number >= 1e11) return number < 1e14 ? number : Number.NaN
  if (/^(\d+(\.\d+)?(ms|[dhms]))+$/.test(text)) return nowMs + durationMs(text)
  const date = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?$/i.exec(text)
  if (!date) return httpDateMs(text)
  return Date.parse(`${text.toUpperCase().replace(' ', 'T')}${date[2] ? '' : 'Z'}`)
}

const unitMs = new Map(Object.entries({ d: day, h: hour, m: minute, s: second, ms: 1 }))

/** `1h2m3s`, `6m0s`, `1.5s`, `20ms`, as Go prints them. */
function durationMs(text: string): number {
  let sum = 0
  for (const [, count = '', unit = ''] of text.matchAll(/([\d.]+)([a-z]+)/g)) {
    sum += Number(count) * (unitMs.get(unit) ?? Number.NaN)
  }
  return sum
}

/** RFC 9110 §5.6.7, without the obsolete forms, which no vendor sends. */
const imfFixdate = /^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/

/** ECMAScript defines how `Date.parse` reads this form: it is the one of `toUTCString`. */
const httpDateMs = (text: string): number => (imfFixdate.test(text) ? Date.parse(text) : Number.NaN)
