import { describe, expect, it } from 'vitest'
import { createPricer } from '../../src/ledger/pricer.ts'

const atMs = Date.UTC(2026, 10, 22)

describe('the reservation for a request', () => {
  const pricer = createPricer()
  const reserve = (bodyBytes: number, maxTokens: number | undefined, model = 'claude-opus-4-5') =>
    pricer.estimateReservation({ provider: 'anthropic', model, bodyBytes, maxTokens, atMs })

  it('counts four bytes as a token of input, and the bound of the client as output', () => {
    expect(reserve(40_000, 100)).toBe(10_000 * 5_000 + 100 * 25_000)
    expect(reserve(1, 0)).toBe(5_000)
  })

  it('counts 4096 tokens of output at most, or when the client sets no bound', () => {
    expect(reserve(0, undefined)).toBe(4_096 * 25_000)
    expect(reserve(0, 128_000)).toBe(4_096 * 25_000)
  })

  it('is 0 for a model without a price', () => {
    expect(reserve(40_000, 100, 'totally-unknown-model-x')).toBe(0)
  })

  it('follows a list price that changes on a date', () => {
    const o3 = { provider: 'openai', model: 'o3', bodyBytes: 4_000, maxTokens: 0 } as const
    const reserveAt = (at: number) => pricer.estimateReservation({ ...o3, atMs: at })
    expect(reserveAt(Date.UTC(2025, 5, 9))).toBe(1_000 * 10_000)
    expect(reserveAt(Date.UTC(2025, 5, 11))).toBe(1_000 * 2_000)
  })

  it('is the same however many other models were asked for meanwhile', () => {
    const before = reserve(4_000, 10)
    for (let i = 0; i < 1_500; i++) reserve(4_000, 10, `model-${i}`)
    expect(reserve(4_000, 10)).toBe(before)
  })
})
