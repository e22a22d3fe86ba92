/** What an answer costs to which more than one model may have contributed. */
import { combineUsage, type ModelUsage, type Usage } from '../domain/usage.ts'
import type { PriceInput } from './price.ts'
import type { Pricer } from './pricer.ts'

/** An answer with the usage of other models, each of which bills at its own price. */
export interface AnswerPriceInput extends PriceInput {
  otherModels: ModelUsage[]
}

export interface AnswerPrice {
  costNanoUsd: number
  /** Whether the price of the model that was asked is known. */
  isPriced: boolean
  /** Models without a known price, each once; they count as 0. */
  unpriced: string[]
}

/** The list price of an answer, in nano-USD. */
export function priceAnswer(
  pricer: Pick<Pricer, 'priceUsage'>,
  input: AnswerPriceInput,
): AnswerPrice {
  const { otherModels, ...asked } = input
  const usage = otherModels.reduce(withoutOther, asked.usage)
  const parts = [{ ...asked, usage }, ...otherModels.map((part) => ({ ...asked, ...part }))]
  const prices = parts.map((part) => pricer.priceUsage(part))
  const unpriced = parts.filter((_, i) => prices[i] === 'unpriced').map(({ model }) => model)
  return {
    costNanoUsd: prices.reduce(
      (sum, price) => sum + (price === 'unpriced' ? 0 : price.costNanoUsd),
      0,
    ),
    isPriced: prices[0] !== 'unpriced',
    unpriced: [...new Set(unpriced)],
  }
}

function withoutOther(whole: Usage, { usage, isIncluded }: ModelUsage): Usage {
  if (!isIncluded) return whole
  const rest = combineUsage(whole, usage, (all, other) => Math.max(0, all - other))
  return { ...rest, webSearchRequests: whole.webSearchRequests }
}
