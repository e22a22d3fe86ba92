import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { asResponse, HeaderList } from '../src/http-message.ts'

const name = fc.constantFrom('accept', 'Accept', 'x-a', 'X-A', 'cookie', 'x-b')
const value = fc.string({ unit: fc.constantFrom('a', 'b', ';', '=', ' '), maxLength: 5 })
const line = fc.tuple(
  name,
  value.map((text) => text.trim()),
)
const sorted = (fields: Iterable<[string, string]>) => [...fields].toSorted()

describe('a list of header fields', () => {
  it('says what the headers of the web say, whatever is added, set and deleted', () => {
    const change = fc.tuple(fc.constantFrom('append', 'set', 'delete'), line)
    fc.assert(
      fc.property(fc.array(line), fc.array(change), (lines, changes) => {
        const list = new HeaderList(lines)
        const web = new Headers(lines)
        for (const [what, [name, value]] of changes) {
          for (const headers of [list, web]) {
            if (what === 'append') headers.append(name, value)
            else if (what === 'set') headers.set(name, value)
            else headers.delete(name)
          }
        }
        expect(sorted(list)).toEqual(sorted(web))
        for (const asked of ['ACCEPT', 'x-a', 'Cookie', 'x-none']) {
          expect([list.get(asked), list.has(asked)]).toEqual([web.get(asked), web.has(asked)])
        }
      }),
    )
  })

  it('keeps the order in which the fields came', () => {
    const lines: [string, string][] = [['x-b', '1'], ['A', '2'], ['x-B', '3']] // biome-ignore format: one line
    expect([...new HeaderList(lines)]).toEqual([
      ['x-b', '1, 3'],
      ['a', '2'],
    ])
  })

  it('has no field that was not given, whatever its name', () => {
    expect(new HeaderList().get('constructor')).toBeNull()
    expect(new HeaderList([['__proto__', '1']]).get('__proto__')).toBe('1')
  })
})

describe('an answer as the web has it', () => {
  it('has the same status, fields and bytes', async () => {
    const headers = new HeaderList([['x-a', '1']])
    const response = asResponse({ status: 201, headers, body: Buffer.from('text') })
    expect([response.status, response.headers.get('x-a')]).toEqual([201, '1'])
    expect(await response.text()).toBe('text')
    expect(asResponse({ status: 204, headers, body: null }).status).toBe(204)
    expect(asResponse(response)).toBe(response)
  })
})
