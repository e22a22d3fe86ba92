import { expect, it } from 'vitest'
import { createOfferings } from '../src/offerings.ts'

const tenMinutes = 10 * 60_000

it('what an account lacks or has is believed for ten minutes after the last time it was told', () => {
  let nowMs = 1_000
  const offerings = createOfferings(() => nowMs)
  expect(offerings.has('a', 'responses')).toBeUndefined()
  offerings.learn('a', 'responses', false)
  offerings.learn('a', 'chat_completions', true)
  expect(offerings.has('a', 'responses')).toBe(false)
  expect(offerings.has('a', 'chat_completions')).toBe(true)
  expect(offerings.has('b', 'responses')).toBeUndefined()
  expect(offerings.lackedBy('a')).toEqual([
    { operation: 'responses', untilMonotonicMs: nowMs + tenMinutes },
  ])
  nowMs += tenMinutes - 1
  offerings.learn('a', 'chat_completions', true)
  expect(offerings.has('a', 'responses')).toBe(false)
  nowMs++
  expect(offerings.has('a', 'responses')).toBeUndefined()
  expect(offerings.lackedBy('a')).toEqual([])
  expect(offerings.has('a', 'chat_completions')).toBe(true)
})

it('its version is 0 while nothing is lacked, and changes with what is', () => {
  const offerings = createOfferings(() => 0)
  offerings.learn('a', 'responses', true)
  expect(offerings.version).toBe(0)
  offerings.learn('a', 'responses', false)
  const first = offerings.version
  expect(first).toBeGreaterThan(0)
  offerings.learn('b', 'responses', false)
  expect(offerings.version).not.toBe(first)
  offerings.learn('a', 'responses', true)
  offerings.learn('b', 'responses', true)
  expect(offerings.version).toBe(0)
})

it('a bounded number of accounts is kept', () => {
  const offerings = createOfferings(() => 0)
  for (let i = 0; i < 10_001; i++) offerings.learn(`account-${i}`, 'responses', false)
  expect(offerings.has('account-9999', 'responses')).toBe(false)
  expect(offerings.has('account-10000', 'responses')).toBeUndefined()
})
