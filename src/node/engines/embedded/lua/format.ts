/** `string.format`. */
import type { Lines } from './errors.ts'
import { exponential, fixed, general, notFinite, roundedText } from './numbers.ts'
import { toNumber, toText } from './operators.ts'
import { typeName, type Value } from './table.ts'

const FLAGS = '-+ #0'
/** A string of this length is put in as a whole, whatever its width. */
const LONG = 100
const WIDTHS = 'invalid format (width or precision too long)'

interface Conversion {
  flags: string
  width: number
  precision: number | undefined
  letter: string
}

/** Formats values as C's `printf` does. @throws LuaError for a value that does not fit its conversion. */
export function format(lines: Lines, args: Value[]): string {
  const [pattern] = args
  const text = toText(pattern)
  if (text === undefined) return badValue(lines, 1, 'string', args)
  // Most numbers of the scripts are printed with this one.
  if (text === '%.0f' && typeof args[1] === 'number') return roundedText(args[1])
  const parts: string[] = []
  let used = 0
  for (let at = 0; at < text.length; ) {
    const mark = text.indexOf('%', at)
    if (mark < 0 || text[mark + 1] === '%') {
      parts.push(mark < 0 ? text.slice(at) : text.slice(at, mark + 1))
      at = mark < 0 ? text.length : mark + 2
      continue
    }
    parts.push(text.slice(at, mark))
    const [conversion, end] = readConversion(lines, text, mark + 1)
    parts.push(convert(lines, conversion, args, ++used))
    at = end
  }
  return parts.join('')
}

function badValue(lines: Lines, index: number, expected: string, args: Value[]): never {
  const found = args.length >= index ? typeName(args[index - 1]) : 'no value'
  return lines.badArgument(index, 'format', `${expected} expected, got ${found}`)
}

function readConversion(lines: Lines, text: string, start: number): [Conversion, number] {
  let at = start
  while (at < text.length && FLAGS.includes(text.charAt(at))) at++
  const flags = text.slice(start, at)
  if (flags.length >= FLAGS.length + 1) lines.raise('invalid format (repeated flags)')
  const digits = () => {
    const from = at
    while (at - from < 2 && isDigit(text.charAt(at))) at++
    return text.slice(from, at)
  }
  const width = Number(digits())
  let precision: number | undefined
  if (text[at] === '.') {
    at++
    precision = Number(digits())
  }
  if (isDigit(text.charAt(at))) lines.raise(WIDTHS)
  return [{ flags, width, precision, letter: text.charAt(at) }, at + 1]
}

const isDigit = (letter: string) => letter >= '0' && letter <= '9' && letter !== ''

function convert(lines: Lines, conversion: Conversion, args: Value[], used: number): string {
  const { letter, precision } = conversion
  if (used >= args.length) lines.badArgument(used + 1, 'format', 'no value')
  if ('cdiouxXeEfgG'.includes(letter) && letter !== '') {
    const number = toNumber(args[used]) ?? badValue(lines, used + 1, 'number', args)
    return pad(conversion, numeric(conversion, number))
  }
  if (letter !== 's' && letter !== 'q') {
    return lines.raise(`invalid option '%${letter}' to 'format'`)
  }
  const text = toText(args[used]) ?? badValue(lines, used + 1, 'string', args)
  if (letter === 'q') return quoted(text)
  if (precision === undefined && text.length >= LONG) return text
  // C ends a string at a zero byte.
  const [whole = ''] = text.split('\0', 1)
  return pad({ ...conversion, flags: conversion.flags.replaceAll('0', '') }, [
    '',
    precision === undefined ? whole : whole.slice(0, precision),
  ])
}

/** The sign, or what stands for it, and the digits. */
function numeric({ flags, letter, precision }: Conversion, value: number): [string, string] {
  if (letter === 'c') return ['', String.fromCharCode(Math.trunc(value) & 255)]
  if ('diouxX'.includes(letter)) return integral(flags, letter, precision, value)
  const digits = precision ?? 6
  const lower = letter.toLowerCase()
  const print = lower === 'e' ? exponential : lower === 'f' ? fixed : general
  const text = print(value, digits)
  const shown = letter === lower ? text : text.toUpperCase()
  return signed(flags, shown)
}

function signed(flags: string, text: string): [string, string] {
  if (text.startsWith('-')) return ['-', text.slice(1)]
  return [flags.includes('+') ? '+' : flags.includes(' ') ? ' ' : '', text]
}

function integral(
  flags: string,
  letter: string,
  precision: number | undefined,
  value: number,
): [string, string] {
  const limit = 2 ** 63
  // A double that no 64-bit integer holds becomes the lowest one.
  const whole = Math.abs(value) < limit ? BigInt(Math.trunc(value)) : -(2n ** 63n)
  const isSigned = letter === 'd' || letter === 'i'
  const shown = isSigned ? whole : BigInt.asUintN(64, whole)
  const radix = letter === 'o' ? 8 : letter === 'x' || letter === 'X' ? 16 : 10
  const size = shown < 0n ? -shown : shown
  const bare = size === 0n && precision === 0 ? '' : size.toString(radix)
  const digits = bare.padStart(precision ?? 0, '0')
  if (isSigned) return signed(flags, shown < 0n ? `-${digits}` : digits)
  if (!flags.includes('#') || size === 0n)
    return ['', letter === 'X' ? digits.toUpperCase() : digits]
  if (letter === 'o') return ['', digits.startsWith('0') ? digits : `0${digits}`]
  if (radix === 16) return letter === 'X' ? ['0X', digits.toUpperCase()] : ['0x', digits]
  return ['', digits]
}

function pad(conversion: Conversion, [sign, digits]: [string, string]): string {
  const { flags, width, precision, letter } = conversion
  const text = sign + digits
  if (flags.includes('-')) return text.padEnd(width)
  const hasOwnZeros = precision !== undefined && 'diouxX'.includes(letter)
  const hasDigits = notFinite(Number(digits)) === undefined || 'xX'.includes(letter)
  if (!flags.includes('0') || hasOwnZeros || !hasDigits || 'cs'.includes(letter)) {
    return text.padStart(width)
  }
  return sign + digits.padStart(width - sign.length, '0')
}

function quoted(text: string): string {
  const inner = text.replace(/["\\\n\r\0]/g, (mark) =>
    mark === '\0' ? '\\000' : mark === '\r' ? '\\r' : `\\${mark}`,
  )
  return `"${inner}"`
}
