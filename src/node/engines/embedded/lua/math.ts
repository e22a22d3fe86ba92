/** The library `math`, without random numbers. */
import type { Arguments } from './arguments.ts'
import { power } from './operators.ts'
import type { Results, Value } from './table.ts'

/** The mantissa from 0.5 to below 1, and the power of two. */
function frexp(value: number): [number, number] {
  if (value === 0 || !Number.isFinite(value)) return [value, 0]
  let exponent = Math.max(-1_022, Math.floor(Math.log2(Math.abs(value))) + 1)
  let mantissa = value / 2 ** exponent
  while (Math.abs(mantissa) < 0.5) {
    mantissa *= 2
    exponent--
  }
  while (Math.abs(mantissa) >= 1) {
    mantissa /= 2
    exponent++
  }
  return [mantissa, exponent]
}

export function createMath(check: Arguments) {
  const one =
    (name: string, compute: (value: number) => number) =>
    (...args: Value[]): number =>
      compute(check.number(name, args, 1))

  const two =
    (name: string, compute: (a: number, b: number) => number) =>
    (...args: Value[]): number =>
      compute(check.number(name, args, 1), check.number(name, args, 2))

  function best(name: string, args: Value[], isBetter: (a: number, b: number) => boolean): number {
    let result = check.number(name, args, 1)
    for (let position = 2; position <= args.length; position++) {
      const value = check.number(name, args, position)
      if (isBetter(value, result)) result = value
    }
    return result
  }

  const modulo = two('fmod', (a, b) => a % b)

  return {
    abs: one('abs', Math.abs),
    ceil: one('ceil', Math.ceil),
    cos: one('cos', Math.cos),
    deg: one('deg', (value) => value / (Math.PI / 180)),
    exp: one('exp', Math.exp),
    floor: (...args: Value[]): number => Math.floor(check.number('floor', args, 1)),
    fmod: modulo,
    mod: modulo,
    frexp: (...args: Value[]): Results => frexp(check.number('frexp', args, 1)),
    huge: Number.POSITIVE_INFINITY,
    ldexp: (...args: Value[]): number =>
      check.number('ldexp', args, 1) * 2 ** check.integer('ldexp', args, 2),
    log: one('log', Math.log),
    log10: one('log10', Math.log10),
    max(...args: Value[]): number {
      const [a, b] = args
      if (args.length === 2 && typeof a === 'number' && typeof b === 'number') return b > a ? b : a
      return best('max', args, (value, result) => value > result)
    },
    min(...args: Value[]): number {
      const [a, b] = args
      if (args.length === 2 && typeof a === 'number' && typeof b === 'number') return b < a ? b : a
      return best('min', args, (value, result) => value < result)
    },
    modf(...args: Value[]): Results {
      const value = check.number('modf', args, 1)
      const whole = Math.trunc(value)
      return [whole, Number.isFinite(value) ? value - whole : Number.isNaN(value) ? value : 0]
    },
    pi: Math.PI,
    rad: one('rad', (value) => value * (Math.PI / 180)),
    sin: one('sin', Math.sin),
    sqrt: one('sqrt', Math.sqrt),
    tan: one('tan', Math.tan),
    pow: two('pow', power),
  }
}
