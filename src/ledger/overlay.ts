/**
 * Prices that the kept list lacks or has wrong, each with its source. They precede the list; a row is
 * taken out when the list has caught up (`test/ledger/overlay.test.ts` says when).
 */
import type { PriceCard, PriceProvider, Rates } from './price-card.ts'

/** The date of the last change of this table. */
export const overlayVersion = 'overlay-2026-11-25'

export interface OverlayRow {
  provider: PriceProvider
  model: string
  /** First and first later day (UTC); null = open. */
  from: string | null
  until: string | null
  /** Where the prices were published, and when that was read. */
  source: string
  read: string
  rates: Rates
  /** The rates of a whole request with more input than that. */
  long?: { aboveInputTokens: number; rates: Rates }
}

/** Input, output, writes of 5 minutes and 1 hour, reads; USD per million tokens. */
function anthropic(
  input: number,
  output: number,
  cacheWrite5m: number,
  cacheWrite1h: number,
  cacheRead: number,
): Rates {
  const openaiWrites = { cacheWrite30m: cacheWrite5m, cacheWrite12h: cacheWrite1h }
  return { input, output, cacheWrite5m, cacheWrite1h, ...openaiWrites, cacheRead, webSearch: 10 }
}

/** Input, output, reads, writes of 30 minutes and 12 hours. */
function openai(
  input: number,
  output: number,
  cacheRead: number,
  cacheWrite30m: number,
  cacheWrite12h: number,
): Rates {
  const anthropicWrites = { cacheWrite5m: cacheWrite30m, cacheWrite1h: cacheWrite30m }
  return {
    input,
    output,
    cacheRead,
    cacheWrite30m,
    cacheWrite12h,
    ...anthropicWrites,
    webSearch: 10,
  }
}

const claude = (
  model: string,
  rates: Rates,
  more: Partial<Omit<OverlayRow, 'provider' | 'model' | 'rates'>> = {},
): OverlayRow => ({
  provider: 'anthropic',
  model,
  from: null,
  until: null,
  source: 'platform.claude.com/docs/en/about-claude/pricing',
  read: '2026-11-25',
  rates,
  ...more,
})

const gpt = (
  model: string,
  rates: Rates,
  aboveRates: Rates,
  source = `developers.openai.com/api/docs/models/${model}`,
): OverlayRow => ({
  provider: 'openai',
  model,
  from: null,
  until: null,
  source,
  read: '2026-11-25',
  rates,
  long: { aboveInputTokens: 272_000, rates: aboveRates },
})

export const overlayRows: readonly OverlayRow[] = [
  claude('claude-sonnet-5-5', anthropic(2, 10, 2.5, 4, 0.2), { until: '2026-10-07' }),
  claude('claude-sonnet-5-5', anthropic(2, 10, 2.5, 4, 0.1), { from: '2026-10-07' }),
  claude('claude-haiku-5-5', anthropic(0.1, 0.5, 0.125, 0.2, 0.01), {
    long: { aboveInputTokens: 100_000, rates: anthropic(0.5, 2.5, 0.625, 1, 0.05) },
  }),
  claude('claude-fable-5-2', anthropic(8, 40, 10, 16, 0.2)),
  claude('claude-mythos-5-2', anthropic(8, 40, 10, 16, 0.2)),
  claude('claude-mythos-5', anthropic(10, 50, 12.5, 20, 1)),
  claude('claude-mythos-5-1', anthropic(10, 50, 12.5, 20, 0.25)),
  // Its announcement names input and output; the cache has the vendor's multipliers of that time.
  claude('claude-mythos-preview', anthropic(25, 125, 31.25, 50, 2.5), {
    source: 'anthropic.com/glasswing (25 and 125 USD)',
  }),
  // Beyond 272,000 tokens input and cache cost twice, output 1.5 times as much (docs.litellm.ai/blog/gpt-6-1-terra).
  gpt('gpt-6.1-sol', openai(2, 10, 0.1, 2.5, 5), openai(4, 15, 0.2, 5, 10)),
  gpt('gpt-6.1-terra', openai(1, 5, 0.05, 1.25, 2.5), openai(2, 7.5, 0.1, 2.5, 5)),
]

/** Cards of the fast mode (platform.claude.com/docs/en/build-with-claude/fast-mode, read 2026-11-25). */
const fastRates: readonly [models: string[], rates: Rates][] = [
  [['claude-opus-5-5'], anthropic(8, 40, 10, 16, 0.4)],
  [['claude-fable-5-2', 'claude-mythos-5-2'], anthropic(16, 80, 20, 32, 0.4)],
  [['claude-opus-5', 'claude-opus-4-8'], anthropic(10, 50, 12.5, 20, 1)],
  [['claude-opus-4-6', 'claude-opus-4-7'], anthropic(30, 150, 37.5, 60, 3)],
]

const fastByModel = new Map(
  fastRates.flatMap(([models, rates]) => models.map((model) => [model, rates] as const)),
)

/** The rates of the fast mode of a model of Anthropic, by its name without an ending. */
export const fastRatesOf = (model: string): Rates | undefined => fastByModel.get(model)

/** The card of a model at one time, by its name without an ending; undefined where no row names it. */
export function findOverlaid(
  provider: PriceProvider,
  model: string,
  atMs: number,
): PriceCard | undefined {
  const row = overlayRows.find(
    (one) =>
      one.provider === provider &&
      one.model === model &&
      (one.from === null || atMs >= Date.parse(one.from)) &&
      (one.until === null || atMs < Date.parse(one.until)),
  )
  if (!row) return undefined
  const bands = [{ aboveInputTokens: -1, rates: row.rates }, ...(row.long ? [row.long] : [])]
  return { source: 'overlay', table: overlayVersion, bands }
}
