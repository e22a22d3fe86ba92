/** What an answer costs to which more than one model may have contributed. */
import type { Bill, BillPart } from '../domain/bill.ts'
import { combineUsage, type ModelUsage, type PriceFactors, type Usage } from '../domain/usage.ts'
import type { PriceInput } from './price.ts'
import { unpricedLines } from './price-card.ts'
import type { OfAccount, Priced, Pricer } from './pricer.ts'

/** An answer with the usage of other models, each of which bills at its own price. */
export interface AnswerPriceInput extends PriceInput, OfAccount {
  otherModels: ModelUsage[]
}

export interface AnswerPrice {
  /** What is booked. */
  costNanoUsd: number
  /** Whether the price of the model that was asked is known. */
  isPriced: boolean
  /** Models without a known price, each once; they count as 0, or as the dearest of the vendor. */
  unpriced: string[]
  bill: Bill
}

/** The price of an answer: what is booked of it, and how that was found. */
export function priceAnswer(
  pricer: Pick<Pricer, 'priceUsage'>,
  input: AnswerPriceInput,
): AnswerPrice {
  const { otherModels, ...asked } = input
  const usage = otherModels.reduce(withoutOther, asked.usage)
  const { factors = {} } = asked
  const parts = [
    { ...asked, usage },
    ...otherModels.map((part) => ({ ...asked, ...part, factors: ofOther(factors) })),
  ]
  const prices = parts.map((part) => pricer.priceUsage(part))
  const unpriced = parts.filter((_, i) => !isKnown(prices[i])).map(({ model }) => model)
  const sum = (of: (price: Priced) => number) =>
    prices.reduce((total, price) => total + (price === 'unpriced' ? 0 : of(price)), 0)
  const costNanoUsd = sum((price) => price.costNanoUsd)
  return {
    costNanoUsd,
    isPriced: isKnown(prices[0]),
    unpriced: [...new Set(unpriced)],
    bill: {
      listCostNanoUsd: sum((price) => price.listCostNanoUsd),
      factors,
      parts: parts.map((part, i) => partOf(part, prices[i] ?? 'unpriced')),
    },
  }
}

const isKnown = (price: Priced | 'unpriced' | undefined): boolean =>
  price !== undefined && price !== 'unpriced' && price.card.source !== 'dearest'

/** Another model answers for the same vendor and place, and under its own name. */
const ofOther = ({ servedModel: _, speed: __, ...factors }: PriceFactors): PriceFactors => factors

function partOf({ model, usage }: PriceInput, price: Priced | 'unpriced'): BillPart {
  if (price === 'unpriced') return { model, lines: unpricedLines(usage) }
  const { card, factors, multiplier, lines } = price
  const { isFast, percents } = factors
  return {
    model: price.model,
    source: card.source,
    table: card.table,
    ...(isFast && { isFast }),
    ...(percents.length > 0 && { percents: [...percents] }),
    ...(multiplier !== 1 && { multiplier }),
    lines,
  }
}

function withoutOther(whole: Usage, { usage, isIncluded }: ModelUsage): Usage {
  if (!isIncluded) return whole
  const rest = combineUsage(whole, usage, (all, other) => Math.max(0, all - other))
  return { ...rest, webSearchRequests: whole.webSearchRequests }
}
