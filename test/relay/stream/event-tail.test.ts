import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createEventTail } from '../../../src/relay/stream/event-tail.ts'

const text = (pieces: Uint8Array[]) => Buffer.concat(pieces).toString()
/** Two ends of lines, of which the last may be half of a CRLF that is cut in two. */
const boundary = /(\r\n|\n|\r(?!\n)){2}$/

describe('the tail of an event stream', () => {
  it('releases whole events only, however they are cut, and loses no byte', () => {
    const line = fc.constantFrom('data: é', ': note', 'event: x', 'data: {"a":1}')
    const events = fc.array(fc.tuple(line, fc.constantFrom('\n\n', '\r\n\r\n', '\n\r\n', '\r\r')))
    fc.assert(
      fc.property(events, line, fc.array(fc.nat(200)), (whole, unfinished, cuts) => {
        const bytes = Buffer.from(whole.map((parts) => parts.join('')).join('') + unfinished)
        const marks = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length]
        const sorted = marks.sort((a, b) => a - b)
        const tail = createEventTail(1_000_000)
        let out = ''
        for (const [i, mark] of sorted.entries()) {
          out += text(tail.push(bytes.subarray(mark, sorted[i + 1] ?? bytes.length)))
          if (out !== '') expect(out).toMatch(boundary)
        }
        expect(out + text(tail.rest())).toBe(bytes.toString())
        expect(text(tail.rest())).toBe(unfinished)
        expect(tail.isAtBoundary()).toBe(true)
      }),
    )
  })

  it('releases an event that is too long to hold, and says so until the next boundary', () => {
    const tail = createEventTail(8)
    expect(tail.push(Buffer.from('data: 1'))).toEqual([])
    expect(text(tail.push(Buffer.from('234567')))).toBe('data: 1234567')
    expect(tail.isAtBoundary()).toBe(false)
    expect(text(tail.push(Buffer.from('\n\n')))).toBe('\n\n')
    expect(tail.isAtBoundary()).toBe(true)
  })
})
