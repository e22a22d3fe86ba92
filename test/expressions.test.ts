/** Every regular expression of the source takes a time that grows with the text, not with its square. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = join(import.meta.dirname, '..', 'src')
const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(
  // What runs in the browser of an administrator, and tools for developers, read nothing foreign.
  (file) => file.endsWith('.ts') && !/^tools\/|^admin\/docs\//.test(file),
)

const literal =
  /(?<=[\s([,!&|?:=])\/((?:[^/\\[\n*]|\\.|\[(?:[^\]\\\n]|\\.)*\])(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])*)\/[dgimsuy]*(?=[\s.,)\];]|$)/gm
const expressions = files.flatMap((file) =>
  [...readFileSync(join(root, file), 'utf8').matchAll(literal)].map((match) => ({
    file,
    source: match[1] ?? '',
  })),
)

/** An atom of an expression, such as `\d` or `[a-z]`, and whether it repeats without a bound. */
interface Atom {
  source: string
  repeats: boolean
}

const atom = /\\[pP]\{\w+\}|\\.|\[(?:[^\]\\]|\\.)*\]|\(\?(?:<?[=!]|:)|[()|]|[\s\S]/gu
const quantifier = /^(?:[*+]|\{\d+,\})\??/

/** The atoms in their order; brackets and bars stay as they are, and end what can be adjacent. */
function atomsOf(source: string): Atom[] {
  const atoms: Atom[] = []
  for (let at = 0; at < source.length; ) {
    atom.lastIndex = at
    const [text = ''] = atom.exec(source) ?? []
    at += Math.max(1, text.length)
    const [repeated = ''] = quantifier.exec(source.slice(at)) ?? []
    at += repeated.length
    if (repeated === '') at += /^(\?|\{\d+(,\d+)?\}\??)?/.exec(source.slice(at))?.[0].length ?? 0
    atoms.push({ source: text, repeats: repeated !== '' })
  }
  return atoms
}

const characters = Array.from({ length: 0x80 }, (_, code) => String.fromCharCode(code))
const isBracket = ({ source }: Atom) => /^(\(.*|\)|\|)$/.test(source)

const overlap = (a: Atom, b: Atom) =>
  characters.some((char) =>
    [a, b].every(({ source }) => new RegExp(`^(?:${source})$`, 'i').test(char)),
  )

/** Two neighbours that repeat and share characters: a run of those can be divided in as many ways as it is long. */
function ambiguous(source: string): string | undefined {
  const atoms = atomsOf(source)
  for (const [i, left] of atoms.entries()) {
    const right = atoms[i + 1]
    if (!right || !left.repeats || !right.repeats || isBracket(left) || isBracket(right)) continue
    if (overlap(left, right)) return left.source + right.source
  }
  return undefined
}

/** A run at the beginning that may begin anywhere in itself: tried from each of its positions. */
function floating(source: string): boolean {
  const [first, ...rest] = atomsOf(source)
  // A run alone is found at once.
  return rest.length > 0 && first?.repeats === true && !isBracket(first)
}

/** A part of an expression: an atom, or a group of alternative sequences (`branches`). */
interface Part {
  source: string
  branches: Part[][]
  isOptional: boolean
  repeats: boolean
}

const quantified = /(?:[*+?]|\{\d+(?:,\d*)?\})\??/y

/** The sequences that a bar separates, with their groups; ends behind the bracket that closes them. */
function branchesOf(source: string, from = 0): { branches: Part[][]; end: number } {
  const branches: Part[][] = [[]]
  let at = from
  while (at < source.length) {
    atom.lastIndex = at
    const [text = ''] = atom.exec(source) ?? []
    at += Math.max(1, text.length)
    if (text === ')') break
    if (text === '|') {
      branches.push([])
      continue
    }
    const isGroup = text.startsWith('(')
    const inner = isGroup ? branchesOf(source, at) : { branches: [], end: at }
    quantified.lastIndex = inner.end
    const [times = ''] = quantified.exec(source) ?? []
    at = inner.end + times.length
    // What takes no characters.
    if (/^(\(\?<?[=!]|[$^]|\\b)/i.test(text)) continue
    const isOptional = /^(?:[*?]|\{0,)/.test(times)
    const repeats = /^(?:[*+]|\{\d+,\})/.test(times)
    branches.at(-1)?.push({ source: text, branches: inner.branches, isOptional, repeats })
  }
  return { branches, end: at }
}

const isAtom = (part: Part) => part.branches.length === 0
const innerAtoms = (parts: Part[]): Part[] =>
  parts.flatMap((part) => (isAtom(part) ? [part] : part.branches.flatMap(innerAtoms)))
const loopsOf = (parts: Part[]): Part[] =>
  parts.flatMap((part) => {
    if (part.repeats) return innerAtoms([part])
    return part.branches.flatMap(loopsOf)
  })

/** What each round must pass, and what no loop within it takes: by it the rounds are told apart. */
function separates(part: Part, loops: Part[]): boolean {
  if (part.isOptional || part.repeats) return false
  if (isAtom(part)) return !loops.some((loop) => overlap(loop, part))
  return part.branches.every((branch) => branch.some((inner) => separates(inner, loops)))
}

/** A group that repeats what repeats: a run may be taken in one round or in many, in 2^n ways. */
function nested(source: string): boolean {
  const isBad = (part: Part): boolean =>
    part.branches.some((branch, i) => {
      if (branch.some(isBad)) return true
      const loops = part.repeats ? loopsOf(branch) : []
      if (loops.length === 0) return false
      const others = part.branches.filter((_, other) => other !== i).flatMap(innerAtoms)
      if (others.some((other) => loops.some((loop) => overlap(loop, other)))) return true
      return !branch.some((inner) => separates(inner, loops))
    })
  return branchesOf(source).branches.flat().some(isBad)
}

describe('an expression', () => {
  it('is found wherever it stands', () => {
    expect(expressions.length).toBeGreaterThan(60)
    const sources = expressions.map(({ source }) => source)
    expect(sources).toContain('^application\\/json\\b')
    expect(sources).toContain('^[\\w.:-]{1,128}$')
  })

  it.each(['\\d+\\S*x', '^a[a-z]*\\w+$', '\\s*,', '\\/+$'])(
    'of a bad form is known: %s',
    (source) => {
      expect(ambiguous(source) !== undefined || floating(source)).toBe(true)
    },
  )

  it.each(['^\\d+\\.\\d+$', '^\\s*<', '^[^/]+\\/\\d\\S* ', '(?<!\\/)\\/+$'])(
    'of a good form passes: %s',
    (source) => {
      expect(ambiguous(source) !== undefined || floating(source)).toBe(false)
    },
  )

  it.each([
    '^(a+)+$',
    '^(?:a*)*$',
    '^(?:\\s*\\w+\\s*)*$',
    '^(?:[a-z]+\\d?)+$',
    '^(?:\\d+|[0-9])*$',
    '^(?:a|(?:b+c?)+d)*x',
    '^(?:(?:ab)*){2,}$',
    '^(?:\\w+[.-]?){3,}x',
    '^(?:\\w+\\b)*x',
  ])('that repeats what repeats is known: %s', (source) => {
    expect(nested(source)).toBe(true)
  })

  it.each([
    '^(?:\\d+,)+$',
    '^(\\d+(\\.\\d+)?(ms|[dhms]))+$',
    '^(?:[^\\\\]|\\\\.)*$',
    '^(?:ab?){2,5}$',
    '^(?:a(?=b+))+',
    '(?:, [^)]*)?',
  ])('that can be divided in one way only passes: %s', (source) => {
    expect(nested(source)).toBe(false)
  })

  it('repeats nothing that repeats, unless something stands between the rounds', () => {
    expect(expressions.filter(({ source }) => nested(source))).toEqual([])
  })

  it('divides no run of characters in more than one way', () => {
    expect(expressions.filter(({ source }) => ambiguous(source))).toEqual([])
  })

  it('does not begin with a run that it could begin in', () => {
    expect(expressions.filter(({ source }) => floating(source))).toEqual([])
  })
})
