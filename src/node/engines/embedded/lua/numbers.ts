/** Numbers to text and back, as C and Lua 5.1 do it. */

const SAFE_DIGITS = 14
const SMALLEST_EXPONENT = -4
const MOST_DIGITS = 100

/** A number as Lua prints it: `%.14g`. */
export function numberText(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 10 ** SAFE_DIGITS) return wholeText(value)
  return general(value, SAFE_DIGITS)
}

/** A number as Redis hands it to a command: `%.17g`. */
export function wordText(value: number): string {
  return Number.isSafeInteger(value) ? wholeText(value) : general(value, 17)
}

/** `%.0f`, which most numbers of the scripts are printed with. */
export function roundedText(value: number): string {
  return Number.isSafeInteger(value) ? wholeText(value) : fixed(value, 0)
}

const wholeText = (value: number) => (Object.is(value, -0) ? '-0' : String(value))

const isNegative = (value: number) => value < 0 || Object.is(value, -0)

/** Infinity and no number, as the C library of Linux prints them; undefined for any other number. */
export function notFinite(value: number): string | undefined {
  if (Number.isNaN(value)) return '-nan'
  if (Number.isFinite(value)) return undefined
  return value > 0 ? 'inf' : '-inf'
}

/** C rounds a tie to the even digit, JavaScript to the larger number; `exact` has more digits. */
function evenTie(rounded: string, exact: string): string {
  const cut = exact.slice(0, rounded.length)
  const isTie = /^\.?50*$/.test(exact.slice(rounded.length))
  return isTie && Number(cut.at(-1)) % 2 === 0 ? cut : rounded
}

/** `%.<digits>f`. */
export function fixed(value: number, digits: number): string {
  const special = notFinite(value)
  if (special !== undefined) return special
  const sign = isNegative(value) ? '-' : ''
  const size = Math.abs(value)
  if (Number.isInteger(size)) {
    return `${sign}${BigInt(size)}${digits > 0 ? `.${'0'.repeat(digits)}` : ''}`
  }
  return sign + evenTie(size.toFixed(digits), size.toFixed(MOST_DIGITS))
}

/** The digits and the exponent of `%e`, rounded as C does. */
function scientific(size: number, digits: number): { digits: string; exponent: number } {
  const [mantissa = '', exponent = '0'] = size.toExponential(digits - 1).split('e')
  const [exact = ''] = size.toExponential(MOST_DIGITS).split('e')
  return { digits: evenTie(mantissa, exact).replace('.', ''), exponent: Number(exponent) }
}

const exponentText = (exponent: number) =>
  `e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`

/** `%.<digits>e`. */
export function exponential(value: number, digits: number): string {
  const special = notFinite(value)
  if (special !== undefined) return special
  const parts = scientific(Math.abs(value), digits + 1)
  const fraction = digits > 0 ? `.${parts.digits.slice(1)}` : ''
  return `${isNegative(value) ? '-' : ''}${parts.digits[0]}${fraction}${exponentText(parts.exponent)}`
}

function withoutZeros(digits: string): string {
  let end = digits.length
  while (digits.charCodeAt(end - 1) === ZERO) end--
  return digits.slice(0, end)
}

/** `%.<digits>g`. */
export function general(value: number, digits: number): string {
  const special = notFinite(value)
  if (special !== undefined) return special
  const sign = isNegative(value) ? '-' : ''
  if (value === 0) return `${sign}0`
  const parts = scientific(Math.abs(value), Math.max(1, digits))
  const { exponent } = parts
  const shown = withoutZeros(parts.digits)
  if (exponent < SMALLEST_EXPONENT || exponent >= Math.max(1, digits)) {
    const fraction = shown.length > 1 ? `.${shown.slice(1)}` : ''
    return `${sign}${shown[0]}${fraction}${exponentText(exponent)}`
  }
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${shown}`
  const whole = shown.slice(0, exponent + 1).padEnd(exponent + 1, '0')
  return `${sign}${whole}${shown.length > exponent + 1 ? `.${shown.slice(exponent + 1)}` : ''}`
}

const BLANKS = ' \t\n\v\f\r'

/** Without the blanks around it, and cut at a zero byte, where C ends a string. */
function trimmed(text: string): string {
  const zero = text.indexOf('\0')
  let end = zero < 0 ? text.length : zero
  let start = 0
  while (start < end && BLANKS.includes(text.charAt(start))) start++
  while (end > start && BLANKS.includes(text.charAt(end - 1))) end--
  return text.slice(start, end)
}

const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i
const HEXADECIMAL = /^([+-]?)0x(?=\.?[\da-f])([\da-f]*)\.?([\da-f]*)(p[+-]?\d+)?$/i
const NAMED = /^([+-]?)(?:(inf(?:inity)?)|nan(?:\(\w*\))?)$/i
const ZERO = 48
const NINE = 57
/** A double holds every integer of so many digits. */
const EXACT_DIGITS = 15

/** Reads a short text of digits; undefined for any other. */
function readDigits(text: string): number | undefined {
  if (text.length > EXACT_DIGITS || text.length === 0) return undefined
  let value = 0
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code < ZERO || code > NINE) return undefined
    value = value * 10 + (code - ZERO)
  }
  return value
}

/** Reads a number as C's `strtod` does; undefined for a text that is not one. */
export function readNumber(text: string): number | undefined {
  const digits = readDigits(text)
  if (digits !== undefined) return digits
  const number = trimmed(text)
  if (DECIMAL.test(number)) return Number(number)
  const hexadecimal = HEXADECIMAL.exec(number)
  if (hexadecimal !== null) {
    const [, sign, whole = '', fraction = '', power = 'p0'] = hexadecimal
    const size = Number(BigInt(`0x${whole}${fraction}`))
    const value = size * 2 ** (Number(power.slice(1)) - 4 * fraction.length)
    return sign === '-' ? -value : value
  }
  const named = NAMED.exec(number)
  if (named === null) return undefined
  if (named[2] === undefined) return Number.NaN
  return named[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
}

const LARGEST_UNSIGNED = 2n ** 64n - 1n

/** Reads an integer of another base as C's `strtoul` does; undefined for a text that is not one. */
export function readInBase(text: string, base: number): number | undefined {
  const [, sign, rest = ''] = /^([+-]?)([\s\S]*)$/.exec(trimmed(text).toLowerCase()) ?? []
  const digits = base === 16 && /^0x[\da-f]/.test(rest) ? rest.slice(2) : rest
  if (digits === '') return undefined
  let value = 0n
  for (const digit of digits) {
    const worth = /[\da-z]/.test(digit) ? Number.parseInt(digit, 36) : base
    if (worth >= base) return undefined
    if (value <= LARGEST_UNSIGNED) value = value * BigInt(base) + BigInt(worth)
  }
  if (value > LARGEST_UNSIGNED) return Number(LARGEST_UNSIGNED)
  return Number(sign === '-' && value > 0n ? LARGEST_UNSIGNED + 1n - value : value)
}
