/** The contract of limits for each key inside one process. */
import { describe, expect, it } from 'vitest'
import { createConcurrencyLimit, createRateLimit, createTurns } from '../src/process-limits.ts'

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

describe('turns', () => {
  /** Work that ends when the test says so. */
  function jobs(turns: ReturnType<typeof createTurns>, count: number) {
    const order: number[] = []
    const ends: (() => void)[] = []
    const taken = Array.from({ length: count }, (_, i) =>
      turns.take(() => {
        order.push(i)
        return new Promise<number>((resolve) => ends.push(() => resolve(i)))
      }),
    )
    return { order, ends, taken }
  }
  const settle = () => new Promise((resolve) => setImmediate(resolve))

  it('let two run at a time, and the others in the order of asking', async () => {
    const { order, ends, taken } = jobs(createTurns(2, 10), 4)
    await settle()
    expect(order).toEqual([0, 1])
    ends[1]?.()
    await settle()
    expect(order).toEqual([0, 1, 2])
    ends[0]?.()
    await settle()
    for (const end of ends) end()
    expect(await Promise.all(taken)).toEqual([0, 1, 2, 3].map((result) => ({ result })))
  })

  it('refuse who would be one too many to wait', async () => {
    const { order, ends, taken } = jobs(createTurns(1, 1), 3)
    expect(await taken[2]).toBeUndefined()
    expect(order).toEqual([0])
    ends[0]?.()
    await settle()
    expect(order).toEqual([0, 1])
  })

  it('go on after work that fails', async () => {
    const turns = createTurns(1, 1)
    const failed = turns.take(() => Promise.reject(new Error('broken')))
    const next = turns.take(async () => 1)
    await expect(failed).rejects.toThrow('broken')
    expect(await next).toEqual({ result: 1 })
    expect(await turns.take(async () => 2)).toEqual({ result: 2 })
  })
})
