/** The contract of the fan-out. */
import { describe, expect, it } from 'vitest'
import { fanOut } from '../../src/observe/fan-out.ts'

describe('a fan-out', () => {
  it('hands each event to every observer, in order, whatever one of them throws', () => {
    const seen: string[] = []
    const observe = fanOut(
      ({ type }) => void seen.push(`first ${type}`),
      () => {
        throw new Error('an observer that is broken')
      },
      ({ type }) => void seen.push(`third ${type}`),
    )
    observe({ type: 'stopped' })
    expect(seen).toEqual(['first stopped', 'third stopped'])
  })
})
