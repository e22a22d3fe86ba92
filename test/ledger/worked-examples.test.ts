import { describe, expect, it } from 'vitest'
import { noUsage, type PriceFactors, type Usage } from '../../src/domain/usage.ts'
import { priceUsage } from '../../src/ledger/price.ts'

/**
 * What vendors publish, worked out by hand: tokens × nano-USD a token (a price of 1 USD per million tokens
 * is 1,000 nano-USD a token; 10 USD per 1,000 searches are 10,000,000 a search).
 */
type Example = [model: string, used: Counts, nanoUsd: number, more?: PriceFactors & { on?: string }]

interface Counts {
  in?: number
  out?: number
  w5m?: number
  w1h?: number
  w30m?: number
  w12h?: number
  read?: number
  search?: number
}

const search = 10_000_000
const fast = { speed: 'fast' }
const us = { inferenceGeo: 'us' }
const batch = { serviceTier: 'batch' }
const flex = { serviceTier: 'flex' }
const priority = { serviceTier: 'priority' }

const anthropicExamples: Example[] = [
  // Opus 5.5: 4 / 20, writes 5 and 8, reads 0.20
  ['claude-opus-5-5', { in: 1_000 }, 1_000 * 4_000],
  ['claude-opus-5-5', { out: 1_000 }, 1_000 * 20_000],
  ['claude-opus-5-5', { w5m: 300, w1h: 200, read: 9_000 }, 300 * 5_000 + 200 * 8_000 + 9_000 * 200],
  ['claude-opus-5-5', { in: 5, out: 7, search: 2 }, 5 * 4_000 + 7 * 20_000 + 2 * search],
  ['claude-opus-5-5', { in: 900_000 }, 900_000 * 4_000],
  ['claude-opus-5-5', { in: 100, out: 10 }, 100 * 8_000 + 10 * 40_000, fast],
  ['claude-opus-5-5', { w5m: 3, w1h: 5, read: 7 }, 3 * 10_000 + 5 * 16_000 + 7 * 400, fast],
  ['claude-opus-5-5', { in: 100, out: 10 }, ((100 * 4_000 + 10 * 20_000) * 110) / 100, us],
  ['claude-opus-5-5', { in: 10, search: 3 }, (10 * 4_000 * 110) / 100 + 3 * search, us],
  [
    'claude-opus-5-5',
    { in: 100, out: 10 },
    ((100 * 8_000 + 10 * 40_000) * 110) / 100,
    { ...fast, ...us },
  ],
  ['claude-opus-5-5', { in: 100, out: 11 }, (100 * 4_000 + 11 * 20_000) / 2, batch],
  ['claude-opus-5-5', { in: 100 }, (100 * 4_000 * 55) / 100, { ...batch, ...us }],
  ['claude-opus-5-5', { in: 100 }, 100 * 4_000, priority],
  [
    'claude-opus-5-5',
    { in: 100 },
    100 * 4_000,
    { inferenceGeo: 'not_available', serviceTier: 'standard' },
  ],
  ['claude-opus-5-5[1m]', { in: 300_000, out: 1 }, 300_000 * 4_000 + 20_000],
  ['claude-opus-5-5-20260924', { in: 10 }, 10 * 4_000],
  // Opus 5 and 4.8: 5 / 25, writes 6.25 and 10, reads 0.50
  ['claude-opus-5', { in: 3, out: 2, read: 1 }, 3 * 5_000 + 2 * 25_000 + 500],
  ['claude-opus-5', { in: 3, out: 2, read: 1 }, 3 * 10_000 + 2 * 50_000 + 1_000, fast],
  ['claude-opus-5[1m]', { w5m: 4 }, 4 * 6_250],
  ['claude-opus-4-8', { w5m: 8, w1h: 9 }, 8 * 6_250 + 9 * 10_000],
  ['claude-opus-4-8', { w5m: 8, w1h: 9 }, 8 * 12_500 + 9 * 20_000, fast],
  ['claude-opus-4-7', { in: 7, out: 3 }, 7 * 30_000 + 3 * 150_000, fast],
  ['claude-opus-4-7', { in: 7, out: 3 }, ((7 * 5_000 + 3 * 25_000) * 110) / 100, us],
  ['claude-opus-4-6', { w5m: 2, w1h: 2, read: 2 }, 2 * 37_500 + 2 * 60_000 + 2 * 3_000, fast],
  ['claude-opus-4-6', { in: 300_000 }, 300_000 * 5_000],
  ['claude-opus-4-6', { in: 300_000 }, 300_000 * 10_000, { on: '2026-03-12' }],
  ['claude-opus-4-6', { in: 100 }, (100 * 5_000 * 110) / 100, us],
  // Older than Opus 4.6 and Sonnet 4.6: the same everywhere
  ['claude-opus-4-5', { in: 100 }, 100 * 5_000, us],
  ['claude-opus-4-5-20251101', { in: 100, out: 1 }, 100 * 5_000 + 25_000],
  ['claude-opus-4-1', { in: 100, out: 1 }, 100 * 15_000 + 75_000, us],
  ['claude-opus-4-20250514', { in: 100 }, 100 * 15_000, us],
  ['claude-haiku-4-5', { in: 100, out: 10 }, 100 * 1_000 + 10 * 5_000, us],
  ['claude-haiku-4-5-20251001', { w5m: 8, w1h: 3, read: 10 }, 8 * 1_250 + 3 * 2_000 + 10 * 100],
  // Sonnet: 5.5 at 2 / 10, reads 0.10 since 7 October; 5 at 2 / 10; 4.6 and 4.5 at 3 / 15
  ['claude-sonnet-5-5', { in: 10, out: 10, read: 10 }, 10 * 2_000 + 10 * 10_000 + 10 * 100],
  ['claude-sonnet-5-5', { read: 10 }, 10 * 200, { on: '2026-10-06' }],
  ['claude-sonnet-5-5', { read: 10 }, 10 * 100, { on: '2026-10-07' }],
  ['claude-sonnet-5-5', { w5m: 10, w1h: 10 }, 10 * 2_500 + 10 * 4_000],
  ['claude-sonnet-5-5[1m]', { in: 500_000 }, 500_000 * 2_000],
  ['claude-sonnet-5-5', { in: 10 }, (10 * 2_000 * 110) / 100, us],
  ['claude-sonnet-5', { in: 10, out: 5, read: 20 }, 10 * 2_000 + 5 * 10_000 + 20 * 200],
  ['claude-sonnet-5[1m]', { in: 10 }, 10 * 2_000],
  ['claude-sonnet-4-6', { in: 250_000, out: 1 }, 250_000 * 3_000 + 15_000],
  ['claude-sonnet-4-5', { in: 200_000, out: 1 }, 200_000 * 3_000 + 15_000],
  ['claude-sonnet-4-5', { in: 200_001, out: 1 }, 200_001 * 6_000 + 22_500],
  // Haiku 5.5: 0.10 / 0.50; a request of more than 100,000 tokens is at 0.50 / 2.50 as a whole
  ['claude-haiku-5-5', { in: 10, out: 10, read: 10 }, 10 * 100 + 10 * 500 + 10 * 10],
  ['claude-haiku-5-5', { in: 60_000, read: 40_000, out: 4 }, 60_000 * 100 + 40_000 * 10 + 4 * 500],
  [
    'claude-haiku-5-5',
    { in: 60_001, read: 40_000, out: 4 },
    60_001 * 500 + 40_000 * 50 + 4 * 2_500,
  ],
  ['claude-haiku-5-5', { w5m: 8, w1h: 8 }, 8 * 125 + 8 * 200],
  ['claude-haiku-5-5', { w5m: 100_000, w1h: 1 }, 100_000 * 625 + 1_000],
  ['claude-haiku-5-5', { in: 15, out: 1 }, ((15 * 100 + 500) * 110) / 100, us],
  // Fable and Mythos
  ['claude-fable-5-2', { in: 9, out: 2, read: 5 }, 9 * 8_000 + 2 * 40_000 + 5 * 200],
  ['claude-fable-5-2', { in: 9, out: 2, w1h: 1 }, 9 * 16_000 + 2 * 80_000 + 32_000, fast],
  ['claude-mythos-5-2', { w5m: 2, w1h: 3 }, 2 * 10_000 + 3 * 16_000],
  ['claude-mythos-5-2', { read: 3 }, 3 * 400, fast],
  ['claude-mythos-5-1', { in: 1, out: 1, read: 4 }, 10_000 + 50_000 + 4 * 250],
  ['claude-mythos-5', { in: 1, out: 1, read: 4 }, 10_000 + 50_000 + 4 * 1_000],
  ['claude-fable-5-1', { read: 4, w5m: 2 }, 4 * 250 + 2 * 12_500],
  ['claude-fable-5', { read: 4, w1h: 2 }, 4 * 1_000 + 2 * 20_000],
  ['claude-fable-5', { in: 10 }, (10 * 10_000 * 110) / 100, us],
  ['claude-mythos-preview', { in: 2, out: 1 }, 2 * 25_000 + 125_000],
]

const openaiExamples: Example[] = [
  // GPT-6.1 Sol: 2 / 10, reads 0.10, writes 2.50 (30 minutes) and 5 (12 hours); above 272,000 tokens 4 / 15, 0.20
  ['gpt-6.1-sol', { in: 100, out: 10 }, 100 * 2_000 + 10 * 10_000],
  ['gpt-6.1-sol', { read: 50, w30m: 4, w12h: 2 }, 50 * 100 + 4 * 2_500 + 2 * 5_000],
  ['gpt-6.1-sol', { in: 272_000, out: 1 }, 272_000 * 2_000 + 10_000],
  ['gpt-6.1-sol', { in: 272_001, out: 1 }, 272_001 * 4_000 + 15_000],
  ['gpt-6.1-sol', { in: 1, read: 272_000 }, 4_000 + 272_000 * 200],
  ['gpt-6.1-sol', { in: 100, out: 10 }, (100 * 2_000 + 10 * 10_000) / 2, flex],
  ['gpt-6.1-sol', { in: 100, out: 10 }, (100 * 2_000 + 10 * 10_000) * 2, priority],
  ['gpt-6.1-sol', { in: 100 }, 100 * 2_000, { serviceTier: 'default' }],
  ['gpt-6.1-sol', { in: 100, search: 1 }, (100 * 2_000) / 2 + search, flex],
  ['gpt-6.1-sol', { in: 100 }, 100 * 2_000, us],
  ['gpt-6.1-sol', { in: 100 }, 100 * 2_000, fast],
  // GPT-6.1 Terra: 1 / 5, reads 0.05, writes 1.25 and 2.50
  ['gpt-6.1-terra', { in: 7, out: 3, read: 9 }, 7 * 1_000 + 3 * 5_000 + 9 * 50],
  ['gpt-6.1-terra', { w30m: 4, w12h: 4 }, 4 * 1_250 + 4 * 2_500],
  ['gpt-6.1-terra', { in: 272_001, out: 2 }, 272_001 * 2_000 + 2 * 7_500],
  ['gpt-6.1-terra', { read: 3 }, (3 * 50) / 2, flex],
  ['gpt-6.1-terra-2026-10-26', { in: 7 }, 7 * 1_000],
  // GPT-6
  ['gpt-6-sol', { in: 272_000, out: 1 }, 272_000 * 2_000 + 10_000],
  ['gpt-6-sol', { in: 272_001, out: 1 }, 272_001 * 4_000 + 15_000],
  ['gpt-6-luna', { in: 5, read: 5, w30m: 8 }, 5 * 100 + 5 * 10 + 8 * 125],
  ['gpt-6-astra', { in: 272_000, out: 1 }, 272_000 * 10_000 + 50_000],
  ['gpt-6-astra', { in: 272_001 }, 272_001 * 20_000],
  ['gpt-6-astra', { w12h: 4 }, 4 * 25_000],
  // GPT-5.6: prices of July and August
  ['gpt-5.6-sol', { in: 272_000, out: 1 }, 272_000 * 4_000 + 20_000],
  ['gpt-5.6-sol', { in: 2 }, 2 * 5_000, { on: '2026-08-20' }],
  ['gpt-5.6', { in: 2 }, 2 * 4_000],
  ['gpt-5.6-terra', { in: 2, out: 1, read: 4 }, 2 * 2_000 + 12_000 + 4 * 200],
  ['gpt-5.6-luna', { in: 5, w30m: 4 }, 5 * 200 + 4 * 250, { on: '2026-11-01' }],
  // GPT-5.5 and before
  ['gpt-5.5', { in: 272_000, out: 1 }, 272_000 * 5_000 + 30_000],
  ['gpt-5.5', { in: 272_001, out: 1 }, 272_001 * 10_000 + 45_000],
  ['gpt-5.5-pro', { in: 3, out: 1 }, 3 * 30_000 + 180_000],
  ['gpt-5.4', { in: 300_000, read: 1 }, 300_000 * 5_000 + 500],
  ['gpt-5.4-mini', { in: 4, out: 2, read: 4 }, 4 * 750 + 2 * 4_500 + 4 * 75],
  ['gpt-5.3-codex', { in: 4, out: 2 }, 4 * 1_750 + 2 * 14_000],
  ['gpt-5.2', { read: 8 }, 8 * 175],
  ['gpt-5', { in: 8, out: 2, read: 8 }, 8 * 1_250 + 2 * 10_000 + 8 * 125],
  ['gpt-5-mini', { in: 8, out: 2 }, (8 * 250 + 2 * 2_000) * 2, priority],
  ['gpt-5-nano', { in: 20, read: 200 }, 20 * 50 + 200 * 5],
  ['gpt-5-nano', { read: 1 }, 3, flex],
  ['gpt-4.1', { in: 3, out: 1 }, (3 * 2_000 + 8_000) / 2, batch],
  ['gpt-4o', { in: 2, read: 2, out: 1 }, 2 * 2_500 + 2 * 1_250 + 10_000],
  ['o3', { in: 5, out: 5 }, 5 * 2_000 + 5 * 8_000],
  ['o4-mini', { in: 10, read: 4 }, 10 * 1_100 + 4 * 275],
]

function usageOf(used: Counts): Usage {
  return {
    ...noUsage,
    inputTokens: used.in ?? 0,
    outputTokens: used.out ?? 0,
    cacheWrite5mTokens: used.w5m ?? 0,
    cacheWrite1hTokens: used.w1h ?? 0,
    cacheWrite30mTokens: used.w30m ?? 0,
    cacheWrite12hTokens: used.w12h ?? 0,
    cacheReadTokens: used.read ?? 0,
    webSearchRequests: used.search ?? 0,
  }
}

describe.each([
  ['anthropic', anthropicExamples],
  ['openai', openaiExamples],
] as const)('a published price of %s', (provider, examples) => {
  it.each(examples.map((example, i) => [i, ...example] as const))(
    '%i: %s with %j costs %i nano-USD',
    (_, model, used, expected, more = {}) => {
      const { on = '2026-11-25', ...factors } = more
      const atMs = Date.parse(`${on}T12:00:00Z`)
      const usage = usageOf(used)
      const price = priceUsage({ provider, model, usage, factors, atMs })
      expect(price).toEqual({ costNanoUsd: expected })
    },
  )
})
