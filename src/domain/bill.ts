/** The bill of a request: how its cost was found, line by line. It is kept with the request's trace. */
import type { PriceFactors } from './usage.ts'

/** Where a price is from, in the order of its authority. */
export const priceSources = ['account', 'model', 'overlay', 'list', 'dearest'] as const
export type PriceSource = (typeof priceSources)[number]

/** Classes of what is billed; each has its own rate. */
export const rateFields = [
  'input',
  'cacheRead',
  'cacheWrite5m',
  'cacheWrite1h',
  'cacheWrite30m',
  'cacheWrite12h',
  'output',
  'webSearch',
] as const
export type RateField = (typeof rateFields)[number]

/** One class of what was used, and what it cost. */
export interface BillLine {
  kind: RateField
  units: number
  /** USD per million tokens or per 1,000 searches, before factors; null without a price. */
  rate: number | null
  costNanoUsd: number
}

/** What one model has used. */
export interface BillPart {
  /** The model whose price counted; without a price, the one that was asked. */
  model: string
  /** Absent without a price. */
  source?: PriceSource | undefined
  /** The version of the table that the price is from. */
  table?: string | undefined
  /** The rates are those of the fast mode. */
  isFast?: boolean | undefined
  /** What applied to all tokens, in percent; absent where nothing. */
  percents?: number[] | undefined
  /** Of the account; absent where it is 1. */
  multiplier?: number | undefined
  /** At list price, factors included. */
  lines: BillLine[]
}

export interface Bill {
  /** The cost before the multiplier of the account. */
  listCostNanoUsd: number
  /** As the answer named them. */
  factors: PriceFactors
  /** First what the asked model used, then others, such as an advisor. */
  parts: BillPart[]
}
