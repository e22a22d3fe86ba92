import { calcPrice, findProvider } from '@pydantic/genai-prices'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { noUsage, type Usage } from '../../src/domain/usage.ts'
import { priceUsage } from '../../src/ledger/price.ts'
import { runs } from '../support/property.ts'

const atMs = Date.UTC(2026, 10, 22)

function cost(model: string, usage: Partial<Usage>, at = atMs): number | 'unpriced' {
  const provider = model.startsWith('claude') ? 'anthropic' : 'openai'
  const price = priceUsage({ provider, model, usage: { ...noUsage, ...usage }, atMs: at })
  return price === 'unpriced' ? price : price.costNanoUsd
}

const everything: Usage = {
  ...noUsage,
  inputTokens: 1_000,
  outputTokens: 500,
  cacheWrite5mTokens: 2_000,
  cacheWrite1hTokens: 4_000,
  cacheReadTokens: 10_000,
  webSearchRequests: 3,
}

describe('priceUsage agrees with prices worked out by hand', () => {
  it('for Sonnet 4.5: 3, 15, 3.75, 6 and 0.30 USD per million, 10 USD per thousand searches', () => {
    // 1000 × 3000 + 500 × 15000 + 2000 × 3750 + 4000 × 6000 + 10000 × 300 + 3 × 10,000,000
    expect(cost('claude-sonnet-4-5-20250929', everything)).toBe(75_000_000)
  })

  it('for Opus 4.5: 5, 25, 6.25, 10 and 0.50 USD per million', () => {
    // 1000 × 5000 + 500 × 25000 + 2000 × 6250 + 4000 × 10000 + 10000 × 500 + 3 × 10,000,000
    expect(cost('claude-opus-4-5', everything)).toBe(105_000_000)
  })

  it('for Haiku 4.5: 1, 5, 1.25, 2 and 0.10 USD per million', () => {
    // 1000 × 1000 + 500 × 5000 + 2000 × 1250 + 4000 × 2000 + 10000 × 100 + 3 × 10,000,000
    expect(cost('claude-haiku-4-5-20251001', everything)).toBe(45_000_000)
  })

  it('for GPT-5: 1.25, 10 and 0.125 USD per million, writes to the cache as plain input', () => {
    // (1000 + 2000 + 4000) × 1250 + 500 × 10000 + 10000 × 125 + 3 × 10,000,000
    expect(cost('gpt-5-codex', everything)).toBe(45_000_000)
  })

  it('for Sonnet 4.5 beyond 200,000 tokens of input, where every token is more expensive', () => {
    const input = { inputTokens: 100_000, cacheReadTokens: 100_000, outputTokens: 1_000 }
    expect(cost('claude-sonnet-4-5', input)).toBe(345_000_000)
    // 100001 × 6000 + 100000 × 600 + 1000 × 22500
    expect(cost('claude-sonnet-4-5', { ...input, inputTokens: 100_001 })).toBe(682_506_000)
  })

  it('for a list price that changed on a date', () => {
    const usage = { inputTokens: 300_000 }
    expect(cost('claude-opus-4-6', usage, Date.UTC(2026, 2, 12))).toBe(3_000_000_000)
    expect(cost('claude-opus-4-6', usage, Date.UTC(2026, 2, 13))).toBe(1_500_000_000)
  })

  it('for no usage at all', () => expect(cost('gpt-5', {})).toBe(0))
})

describe('priceUsage', () => {
  const listed = (id: string) => findProvider({ providerId: id })?.models ?? []

  it('prices cache writes of Anthropic models at 1.25 and 2 times the input', () => {
    const tokens = 1_000
    const current = listed('anthropic').filter(({ id }) => /-(4|5)(-\d)?$/.test(id))
    expect(current.length).toBeGreaterThan(10)
    for (const { id } of current) {
      const input = Number(cost(id, { inputTokens: tokens }))
      expect(input).toBeGreaterThan(0)
      expect([id, cost(id, { cacheWrite5mTokens: tokens })]).toEqual([id, input * 1.25])
      expect([id, cost(id, { cacheWrite1hTokens: tokens })]).toEqual([id, input * 2])
    }
  })

  it.each([
    'totally-unknown-model-x',
    'claude-opus-99',
    'claude-opus-4-10',
    'claude-opus-4-8-fast',
    'claude-sonnet-4-5-thinking',
    'claude-sonnet-5-9',
    'my-claude-opus-4-5',
    'gpt-5-unknown',
    'gpt-99',
    'my-moderation-model',
    'whisper-1',
    '',
  ])('leaves "%s" unpriced, however much it resembles another', (model) => {
    for (const provider of ['anthropic', 'openai'] as const) {
      expect(priceUsage({ provider, model, usage: everything, atMs })).toBe('unpriced')
    }
  })

  it('does not price the models of the other vendor', () => {
    const usage = everything
    const wrong = { provider: 'openai', model: 'claude-sonnet-4-5', usage, atMs } as const
    expect(priceUsage(wrong)).toBe('unpriced')
    expect(priceUsage({ ...wrong, provider: 'anthropic', model: 'gpt-5' })).toBe('unpriced')
  })

  it.each([
    ['claude-sonnet-4-20250514', 'claude-sonnet-4-0'],
    ['claude-3-5-haiku-latest', 'claude-3-5-haiku-20241022'],
    ['claude-opus-4-5@20251101', 'claude-opus-4-5'],
    ['claude-opus-5-5', 'claude-opus-5-5-20261001'],
    ['claude-opus-4-6[1m]', 'claude-opus-4-6'],
    ['gpt-5-nano-2025-08-07', 'gpt-5-nano'],
    ['gpt-5-2025-08-07', 'gpt-5'],
  ])('prices %s and %s as the same model', (one, other) => {
    expect(cost(one, everything)).toBeGreaterThan(0)
    expect(cost(one, everything)).toBe(cost(other, everything))
  })

  it('gives whole, non-negative nano-USD for any counts', () => {
    const count = fc.nat(3_000_000)
    const usage = fc.record({
      inputTokens: count,
      outputTokens: count,
      cacheWrite5mTokens: count,
      cacheWrite1hTokens: count,
      cacheReadTokens: count,
      webSearchRequests: fc.nat(50),
    })
    fc.assert(
      fc.property(usage, fc.constantFrom('claude-sonnet-4-5', 'gpt-5.6-luna', 'o3'), (used, id) => {
        const price = cost(id, used)
        expect(Number.isSafeInteger(price) && Number(price) >= 0).toBe(true)
      }),
    )
  })

  it('costs what the list itself calculates, for every model of both vendors', () => {
    const count = fc.oneof(fc.nat(400_000), fc.nat(2_000), fc.constant(0))
    const counts = fc.tuple(count, count, count, count, count, fc.nat(9))
    fc.assert(
      fc.property(counts, ([input, output, write5m, write1h, read, searches]) => {
        for (const provider of ['anthropic', 'openai'] as const) {
          for (const { id: model } of listed(provider)) {
            const usage: Usage = {
              ...noUsage,
              inputTokens: input,
              outputTokens: output,
              cacheWrite5mTokens: write5m,
              cacheWrite1hTokens: write1h,
              cacheReadTokens: read,
              webSearchRequests: searches,
            }
            const ours = priceUsage({ provider, model, usage, atMs })
            if (ours === 'unpriced') continue
            const inTheirTerms = {
              input_tokens: input + write5m + write1h + read,
              cache_read_tokens: read,
              cache_write_tokens: write5m + write1h,
              cache_write_1h_tokens: write1h,
              output_tokens: output,
              web_searches: searches,
            }
            const options = { providerId: provider, timestamp: new Date(atMs) }
            const theirs = calcPrice(inTheirTerms, model, options)?.total_price ?? Number.NaN
            expect([model, ours.costNanoUsd]).toEqual([model, Math.round(theirs * 1e9)])
          }
        }
      }),
      runs(30),
    )
  })

  it('counts a number that makes no sense as none', () => {
    const usage = { inputTokens: -5, outputTokens: Number.NaN, cacheReadTokens: 1_000 }
    expect(cost('claude-haiku-4-5', usage)).toBe(100_000)
  })
})
