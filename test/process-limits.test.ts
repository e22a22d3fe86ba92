/** The contract of limits for each key inside one process. */
import { describe, expect, it } from 'vitest'
import { createConcurrencyLimit, createRateLimit } from '../src/process-limits.ts'

describe('a concurrency limit', () => {
  it('gives each key so many places, and again those that were given back', () => {
    const limit = createConcurrencyLimit(2)
    const places = [limit.enter('a'), limit.enter('a'), limit.enter('b')]
    expect(places.map((place) => place?.number)).toEqual([0, 1, 2])
    expect(limit.enter('a')).toBeUndefined()
    places[0]?.leave()
    expect(limit.enter('a')?.number).toBe(3)
    expect(limit.enter('a')).toBeUndefined()
  })
})

describe('a rate limit', () => {
  it('counts each key by itself, and anew with each minute', () => {
    let nowMs = 0
    const limit = createRateLimit(2, () => nowMs)
    expect([1, 2, 3].map(() => limit.allows('a'))).toEqual([true, true, false])
    expect(limit.allows('b')).toBe(true)
    nowMs = 60_000
    expect(limit.allows('a')).toBe(true)
  })

  it('remembers a bounded number of keys', () => {
    const limit = createRateLimit(1, () => 0)
    expect(limit.allows('a')).toBe(true)
    for (let i = 0; i < 10_000; i++) limit.allows(`key ${i}`)
    expect(limit.allows('a')).toBe(true)
  })
})
