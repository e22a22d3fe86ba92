/** Numbers as Redis reads and prints them: strict 64-bit integers and doubles with 17 digits. */
import { CommandError, notInteger } from './reply.ts'

const MIN = -(2n ** 63n)
const MAX = 2n ** 63n - 1n
const PLAIN_DIGITS = 15

const ZERO = 48
const NINE = 57
const MINUS = 45

/** Whether the text is the one canonical spelling of an integer: no plus, blanks or leading zeros. */
function isCanonical(text: string): boolean {
  const start = text.charCodeAt(0) === MINUS ? 1 : 0
  const first = text.charCodeAt(start)
  if (!(first >= ZERO && first <= NINE)) return false
  if (first === ZERO) return text.length === 1
  for (let index = start + 1; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code < ZERO || code > NINE) return false
  }
  return true
}

/** Reads a signed 64-bit integer, or nothing; a double carries it where it is exact. */
export function parseInteger(text: string): number | bigint | undefined {
  if (text.length > 20 || !isCanonical(text)) return undefined
  if (text.length <= PLAIN_DIGITS) return Number(text)
  const value = BigInt(text)
  return value < MIN || value > MAX ? undefined : value
}

/** Reads an integer argument where a double is exact enough, such as a rank or a count. */
export function integerArgument(text: string): number {
  const value = parseInteger(text)
  if (value === undefined) throw notInteger()
  return Number(value)
}

/** Adds two 64-bit integers; `current` is the stored text and `invalid` the error that it may cause. */
export function addIntegers(current: string, delta: string, invalid: string): number | bigint {
  const step = parseInteger(delta)
  if (step === undefined) throw notInteger()
  const base = parseInteger(current)
  if (base === undefined) throw new CommandError(invalid)
  if (typeof base === 'number' && typeof step === 'number') return base + step
  const sum = BigInt(base) + BigInt(step)
  if (sum < MIN || sum > MAX) throw new CommandError('ERR increment or decrement would overflow')
  return sum
}

/** The end of a time to live in milliseconds since the epoch, as far as a double is exact. */
export function expiryMs(text: string, unitMs: number, nowMs: number, command: string): number {
  const amount = parseInteger(text)
  if (amount === undefined) throw notInteger()
  const product = BigInt(amount) * BigInt(unitMs)
  const sum = product + BigInt(nowMs)
  if (product < MIN || product > MAX || sum > MAX) throw invalidExpiry(command)
  return Math.min(Number(sum), Number.MAX_SAFE_INTEGER)
}

/** The reply to a time to live outside the range that a command accepts. */
export const invalidExpiry = (command: string) =>
  new CommandError(`ERR invalid expire time in '${command}' command`)

const INFINITIES = new Map([
  ['inf', Number.POSITIVE_INFINITY],
  ['+inf', Number.POSITIVE_INFINITY],
  ['-inf', Number.NEGATIVE_INFINITY],
  ['infinity', Number.POSITIVE_INFINITY],
  ['+infinity', Number.POSITIVE_INFINITY],
  ['-infinity', Number.NEGATIVE_INFINITY],
])

/** Reads a double, or nothing for text that is not one (NaN included). */
export function parseDouble(text: string): number | undefined {
  const value = Number(text)
  // Number() accepts blanks and reads an empty string as zero; Redis does neither.
  if (value === 0 ? !text.includes('0') : Number.isNaN(value)) {
    return INFINITIES.get(text.toLowerCase())
  }
  if (text.trim() !== text) return undefined
  return value
}

/** Prints a double as C's `%.17g` does, which is how Redis prints scores and script numbers. */
export function formatDouble(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e17) return formatWhole(value)
  if (Number.isNaN(value)) return '-nan'
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf'
  const [mantissa = '', exponentText = ''] = value.toExponential(16).split('e')
  const exponent = Number(exponentText)
  if (exponent < -4 || exponent >= 17) {
    const digits = String(Math.abs(exponent)).padStart(2, '0')
    return `${trimZeros(mantissa)}e${exponent < 0 ? '-' : '+'}${digits}`
  }
  return trimZeros(value.toFixed(16 - exponent))
}

function formatWhole(value: number): string {
  // JavaScript rounds the digits of large doubles; C prints every one of them.
  if (!Number.isSafeInteger(value)) return BigInt(value).toString()
  return Object.is(value, -0) ? '-0' : String(value)
}

function trimZeros(text: string): string {
  if (!text.includes('.')) return text
  let end = text.length
  while (text.charCodeAt(end - 1) === ZERO) end--
  return text.slice(0, text[end - 1] === '.' ? end - 1 : end)
}
