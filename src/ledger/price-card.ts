/** Price cards: what each class of tokens of a model costs, and the arithmetic from usage to integer nano-USD. */
import { type BillLine, type PriceSource, type RateField, rateFields } from '../domain/bill.ts'
import type { Usage } from '../domain/usage.ts'

/** The vendor whose price list counts, as the list names it. */
export type PriceProvider = 'anthropic' | 'openai'

/** USD per million tokens; of `webSearch`, USD per 1,000 searches. */
export type Rates = Record<RateField, number>

export interface PriceCard {
  source: PriceSource
  /** The version of the table that it is from. */
  table: string
  /** By input tokens, ascending; the first is above -1, which is always true. */
  bands: readonly { aboveInputTokens: number; rates: Rates }[]
  /** For answers of the fast mode; undefined where there is no such price. */
  fast?: Rates
}

/** What changes a price beside the rates. */
export interface AppliedFactors {
  /** The rates of the fast mode counted. */
  isFast: boolean
  /** Of each that applies to all tokens, in percent: 110, 50 … */
  percents: readonly number[]
}

export const noFactors: AppliedFactors = { isFast: false, percents: [] }

/** What `usage` consists of, in the classes of a card. */
export function unitsOf(usage: Usage): Record<RateField, number> {
  return {
    input: count(usage.inputTokens),
    cacheRead: count(usage.cacheReadTokens),
    cacheWrite5m: count(usage.cacheWrite5mTokens),
    cacheWrite1h: count(usage.cacheWrite1hTokens),
    cacheWrite30m: count(usage.cacheWrite30mTokens),
    cacheWrite12h: count(usage.cacheWrite12hTokens),
    output: count(usage.outputTokens),
    webSearch: count(usage.webSearchRequests),
  }
}

/** A nonsensical count from an upstream counts as 0, so that the settlement can still be written. */
const count = (value: number) => (Number.isFinite(value) && value > 0 ? value : 0)

/**
 * What `usage` costs, rounded once. The band goes by the whole input, cache counts included, and counts
 * for every class; factors count for tokens and not for searches.
 * @returns lines for what is not zero, whose costs add up to the whole exactly.
 */
export function costOf(
  card: PriceCard,
  usage: Usage,
  { isFast, percents }: AppliedFactors = noFactors,
): { costNanoUsd: number; lines: BillLine[] } {
  const units = unitsOf(usage)
  const rates = ratesFor(card, units, isFast)
  const numerator = percents.reduce((product, percent) => product * percent, 1)
  const denominator = 100 ** percents.length
  const lines: BillLine[] = []
  let scaledPico = 0
  let soFar = 0
  for (const kind of rateFields) {
    if (units[kind] === 0) continue
    const isSearch = kind === 'webSearch'
    // Whole pico-USD for each: sums of them stay exact to some thousand USD.
    const pico = units[kind] * Math.round(rates[kind] * (isSearch ? 1e9 : 1e6))
    scaledPico += pico * (isSearch ? denominator : numerator)
    const upToHere = Math.round(scaledPico / (denominator * 1000))
    lines.push({ kind, units: units[kind], rate: rates[kind], costNanoUsd: upToHere - soFar })
    soFar = upToHere
  }
  return { costNanoUsd: soFar, lines }
}

/** The lines of what has no price. */
export function unpricedLines(usage: Usage): BillLine[] {
  const units = unitsOf(usage)
  return rateFields
    .filter((kind) => units[kind] > 0)
    .map((kind) => ({ kind, units: units[kind], rate: null, costNanoUsd: 0 }))
}

function ratesFor(card: PriceCard, units: Record<RateField, number>, isFast: boolean): Rates {
  if (isFast && card.fast) return card.fast
  const { input, cacheRead, cacheWrite5m, cacheWrite1h, cacheWrite30m, cacheWrite12h } = units
  const written = cacheWrite5m + cacheWrite1h + cacheWrite30m + cacheWrite12h
  const inputTokens = input + cacheRead + written
  let found = card.bands[0]
  for (const band of card.bands) if (inputTokens > band.aboveInputTokens) found = band
  return found?.rates ?? noRates
}

const noRates = Object.fromEntries(rateFields.map((field) => [field, 0])) as Rates
