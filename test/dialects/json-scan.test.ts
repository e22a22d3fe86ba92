import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  childrenOf,
  type JsonSpan,
  maxDepth,
  maxMembers,
  runAtOnce,
  runInStretches,
  scanObject as scan,
} from '../../src/dialects/json-scan.ts'
import { maxRunBytes, stretchBytes } from '../../src/dialects/json-tokens.ts'
import { GatewayError } from '../../src/errors.ts'
import { runs } from '../support/property.ts'

const scanObject = (body: Uint8Array) => runAtOnce(scan(body))
const encode = (text: string) => new TextEncoder().encode(text)
const decode = (body: Uint8Array, { start, end }: JsonSpan) =>
  new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body.subarray(start, end))

/** What the platform's own parser says; the scanner has to agree. */
function parsed(body: Uint8Array): { value: unknown } | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body)
    return { value: JSON.parse(text) }
  } catch {
    return undefined
  }
}

function refusal(body: Uint8Array): GatewayError | undefined {
  try {
    scanObject(body)
    return undefined
  } catch (error) {
    if (error instanceof GatewayError) return error
    throw error
  }
}

function expectInvalid(text: string, reason: string) {
  expect(refusal(encode(text))).toMatchObject({
    code: 'invalid_json',
    message: `The request body is not valid JSON: ${reason}`,
  })
}

/** Stringifies with white space drawn from `spaces` at every place where JSON allows some. */
function spaced(value: unknown, spaces: Iterator<string>): string {
  const space = () => spaces.next().value ?? ''
  const write = (item: unknown): string => {
    if (typeof item !== 'object' || item === null) return JSON.stringify(item)
    const inner = Array.isArray(item)
      ? item.map(write).map((text) => space() + text + space())
      : Object.entries(item).map(
          ([key, member]) =>
            `${space()}${JSON.stringify(key)}${space()}:${space()}${write(member)}${space()}`,
        )
    const [open, close] = Array.isArray(item) ? '[]' : '{}'
    return open + (inner.join(',') || space()) + close
  }
  return space() + write(value) + space()
}

function* cycle(items: string[]): Generator<string> {
  for (let i = 0; ; i++) yield items[i % items.length] ?? ''
}

const json = fc.jsonValue({ maxDepth: 5, noUnicodeString: false })
const jsonObject = fc.dictionary(fc.string({ unit: 'binary' }), json, { maxKeys: 8 })
const spaces = fc.array(fc.string({ unit: fc.constantFrom(' ', '\n', '\r', '\t'), maxLength: 3 }), {
  minLength: 1,
})

describe('scanObject', () => {
  it('finds the members that JSON.parse finds, in any spacing', () => {
    fc.assert(
      fc.property(jsonObject, spaces, (value, gaps) => {
        const body = encode(spaced(value, cycle(gaps)))
        const members = scanObject(body)
        const found = members.map((member) => [member.key, JSON.parse(decode(body, member))])
        expect(found).toEqual(Object.entries(JSON.parse(JSON.stringify(value))))
      }),
    )
  })

  it('refuses every truncated prefix of a body', () => {
    fc.assert(
      fc.property(jsonObject, (value) => {
        const body = encode(JSON.stringify(value))
        for (let end = 0; end < body.length; end++) {
          if (refusal(body.subarray(0, end))?.code !== 'invalid_json') expect.fail(`at ${end}`)
        }
      }),
      runs(20),
    )
  })

  it('accepts a mutated body exactly if JSON.parse accepts it', () => {
    const mutation = fc.record({ at: fc.nat(), byte: fc.nat(255), insert: fc.boolean() })
    fc.assert(
      fc.property(jsonObject, fc.array(mutation, { maxLength: 3 }), (value, mutations) => {
        const bytes = [...encode(JSON.stringify(value))]
        for (const { at, byte, insert } of mutations) {
          bytes.splice(at % bytes.length, insert ? 0 : 1, byte)
        }
        const body = Uint8Array.from(bytes)
        const reference = parsed(body)
        const code = refusal(body)?.code
        if (!reference) expect(code).toBe('invalid_json')
        else if (isObject(reference.value)) expect(code).toBeUndefined()
        else expect(code).toBe('invalid_request')
      }),
      runs(700),
    )
  })

  it('accepts a string of any bytes exactly if it is well-formed UTF-8', () => {
    const tricky = fc.constantFrom(0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc1, 0xc2, 0xdf, 0xe0, 0xed)
    const byte = fc.oneof(tricky, fc.constantFrom(0xef, 0xf0, 0xf4, 0xf5, 0xff), fc.nat(255))
    fc.assert(
      fc.property(fc.array(byte, { minLength: 1, maxLength: 5 }), (bytes) => {
        const body = Uint8Array.from([...encode('{"a":"'), ...bytes, ...encode('"}')])
        expect(refusal(body) === undefined).toBe(parsed(body) !== undefined)
      }),
      runs(700),
    )
  })

  it.each([
    ['an empty body', '', 'unexpected end at byte 0'],
    ['white space alone', ' \n', 'unexpected end at byte 2'],
    ['a trailing comma', '{"a":1,}', 'unexpected character at byte 7'],
    ['a trailing comma in an array', '{"a":[1,]}', 'unexpected character at byte 8'],
    ['a second value', '{} {}', 'unexpected character at byte 3'],
    ['a leading zero', '{"a":01}', 'unexpected character at byte 6'],
    ['a plus sign', '{"a":+1}', 'unexpected character at byte 5'],
    ['a point without digits', '{"a":1.}', 'unexpected character at byte 7'],
    ['an exponent without digits', '{"a":1e+}', 'unexpected character at byte 8'],
    ['a bare minus', '{"a":-}', 'unexpected character at byte 6'],
    ['a literal of JavaScript', '{"a":NaN}', 'unexpected character at byte 5'],
    ['a misspelt literal', '{"a":trux}', 'unexpected character at byte 8'],
    ['a raw control character', '{"a":"\u0001"}', 'unexpected character at byte 6'],
    ['an unknown escape', '{"a":"\\x"}', 'unexpected character at byte 7'],
    ['a short \\u escape', '{"a":"\\u12"}', 'unexpected character at byte 10'],
    ['a key without quotes', '{a:1}', 'unexpected character at byte 1'],
    ['a missing colon', '{"a" 1}', 'unexpected character at byte 5'],
    ['brackets that do not match', '{"a":[1}', 'unexpected character at byte 7'],
    ['a comment', '{/**/}', 'unexpected character at byte 1'],
    ['an unusual white space', '{\u00a0}', 'unexpected character at byte 1'],
    ['a byte order mark', '\ufeff{}', 'unexpected character at byte 0'],
    ['an unfinished string', '{"a":"b', 'unexpected end at byte 7'],
  ])('refuses %s and names the byte', (_, text, reason) => expectInvalid(text, reason))

  it('refuses text that is not UTF-8 and names the byte', () => {
    const body = Uint8Array.from([...encode('{"a":"'), 0xc3, 0x28, ...encode('"}')])
    expect(refusal(body)?.message).toContain('it is not well-formed UTF-8 at byte 6')
  })

  it.each(['[]', '"text"', '12', 'null', ' [{"a":1}] '])(
    'refuses %s, which is no object',
    (text) => {
      expect(refusal(encode(text))).toMatchObject({ code: 'invalid_request', status: 400 })
    },
  )

  it('decodes the escapes of keys and keeps duplicates apart', () => {
    const body = encode('{"\\u006dodel":1,"model":2,"\\ud83d\\ude00":3}')
    const keys = scanObject(body).map((member) => [member.key, decode(body, member)])
    expect(keys).toEqual([
      ['model', '1'],
      ['model', '2'],
      ['😀', '3'],
    ])
  })

  it('counts offsets in bytes, not in characters', () => {
    const body = encode('{"ключ":"значение", "a" : [1, 2] }')
    expect(scanObject(body).map((member) => decode(body, member))).toEqual(['"значение"', '[1, 2]'])
  })

  it('takes nesting up to its bound and no further', () => {
    const nested = (depth: number) => encode(`{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`)
    expect(refusal(nested(maxDepth - 1))).toBeUndefined()
    expect(refusal(nested(maxDepth))?.message).toContain('deeper than 512 levels')
  })

  it('refuses a million open brackets without exhausting the stack', () => {
    expect(refusal(encode('['.repeat(1_000_000)))?.code).toBe('invalid_json')
  })

  it('bounds the number of members', () => {
    const members = (count: number) =>
      encode(`{${Array.from({ length: count }, (_, i) => `"k${i}":0`).join(',')}}`)
    expect(scanObject(members(maxMembers))).toHaveLength(maxMembers)
    expect(refusal(members(maxMembers + 1))?.code).toBe('invalid_request')
  })
})

describe('childrenOf', () => {
  const spansOf = (body: Uint8Array, start: number) =>
    [...childrenOf(body, { start })].filter((child) => child !== undefined)

  it('yields the elements that JSON.parse finds', () => {
    fc.assert(
      fc.property(fc.array(json, { maxLength: 8 }), spaces, (value, gaps) => {
        const body = encode(`{"a":${spaced(value, cycle(gaps))}}`)
        const start = scanObject(body)[0]?.start ?? -1
        const found = spansOf(body, start).map((span) => JSON.parse(decode(body, span)))
        expect(found).toEqual(JSON.parse(JSON.stringify(value)))
      }),
      runs(200),
    )
  })

  it('yields the members that JSON.parse finds', () => {
    fc.assert(
      fc.property(jsonObject, spaces, (value, gaps) => {
        const body = encode(`{"a":${spaced(value, cycle(gaps))}}`)
        const start = scanObject(body)[0]?.start ?? -1
        const found = spansOf(body, start).map((span) => [span.key, JSON.parse(decode(body, span))])
        expect(found).toEqual(Object.entries(JSON.parse(JSON.stringify(value))))
      }),
      runs(200),
    )
  })

  it('reads no further than it is asked to', () => {
    const body = encode('[ {"a":1} , broken')
    const elements = childrenOf(body, { start: 0 })
    expect(elements.next().value).toEqual({ key: undefined, start: 2, end: 9 })
    expect(() => elements.next()).toThrow('unexpected character at byte 12')
  })

  it.each(['{}', '"[1]"', '12', '[]', '[ ]'])('yields nothing for %s', (text) => {
    expect(spansOf(encode(text), 0)).toEqual([])
  })
})

describe('a scan pauses after each stretch of the body', () => {
  const size = 4 * 1024 * 1024
  const filled = (unit: string) => unit.repeat(size / unit.length)
  const hostile: [name: string, text: string][] = [
    ['empty objects', `{"a":[${filled('{},')}{}]}`],
    ['nesting', `{"a":[${filled(`${'['.repeat(500)}${']'.repeat(500)},`)}1]}`],
    ['one string', `{"a":"${filled('x')}"}`],
    ['escapes', `{"a":"${filled('\\u0041\\n')}"}`],
    ['characters of three bytes', `{"a":"${filled('€€€€')}"}`],
    ['names', `{"a":{${filled('"b":0,')}"b":0}}`],
    ['one name', `{"${filled('x')}":0}`],
    ['white space', `{"a":[${filled(`${' '.repeat(60_000)}1,`)}1]}`],
    ['numbers', `{"a":[${filled(`${'1'.repeat(60_000)},`)}1]}`],
  ]

  it.each(hostile)('of %s', async (_, text) => {
    const body = encode(text)
    const order: string[] = []
    let pauses = 0
    await runInStretches(scan(body), async () => {
      pauses++
      setImmediate(() => order.push('another'))
      await new Promise((resolve) => setImmediate(resolve))
      order.push('scan')
    })
    // One stretch may end somewhat later, at the end of a name, a number or a run of white space.
    expect(pauses).toBeGreaterThanOrEqual(
      Math.floor(body.length / (stretchBytes + maxRunBytes)) - 1,
    )
    expect(order).toEqual(Array.from({ length: pauses }, () => ['another', 'scan']).flat())
  })

  it.each([
    ['digits', `{"a":${'1'.repeat(maxRunBytes + 1)}}`],
    ['white space', `{"a":${' '.repeat(maxRunBytes + 1)}1}`],
  ])('and refuses a run of %s that is longer than the bound', (_, text) => {
    expect(refusal(encode(text))?.code).toBe('invalid_json')
  })

  it('stops after the thousandth member, whatever follows', () => {
    const body = encode(`{${'"a":0,'.repeat(1_000_000)}"a":0}`)
    let pauses = 0
    const steps = scan(body)
    expect(() => {
      while (!steps.next().done) pauses++
    }).toThrow('more than 1000 top-level members')
    expect(pauses).toBe(0)
  })
})

const isObject = (value: unknown) =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
