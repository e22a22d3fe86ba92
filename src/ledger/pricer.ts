/** The pricer: what usage costs, and what to reserve of a budget for a request that is about to start. */
import { estimateTokens, noUsage } from '../domain/usage.ts'
import {
  costNanoUsd,
  findPrice,
  type ListPrice,
  type ModelInput,
  type PriceInput,
} from './price.ts'

/** A request before its usage is known. */
export interface ReservationInput extends ModelInput {
  bodyBytes: number
  /** The client's bound on output tokens, if it names one. */
  maxTokens: number | undefined
}

export interface Pricer {
  /** The list price of usage, in nano-USD; `unpriced` if the list does not name the model. */
  priceUsage(input: PriceInput): { costNanoUsd: number } | 'unpriced'
  /**
   * What to reserve, in nano-USD: the body as input without any cache, and `maxTokens` of output, at
   * most 4,096. 0 if the model is unpriced.
   */
  estimateReservation(input: ReservationInput): number
}

/** Output tokens that a reservation assumes at most, and when the client names no bound. */
const maxReservedOutputTokens = 4_096
/** Clients name the models, so the number of remembered prices needs a bound. */
const maxPrices = 1_000
const dayMs = 24 * 60 * 60_000

interface Remembered {
  price: ListPrice | 'unpriced'
  day: number
}

/** Makes a pricer that remembers the prices of models for a day, since the search for one is slow. */
export function createPricer(): Pricer {
  const known = new Map<string, Remembered>()
  const priceOf = (input: ModelInput): ListPrice | 'unpriced' => {
    const name = `${input.provider}:${input.model}`
    const day = Math.floor(input.atMs / dayMs)
    const remembered = known.get(name)
    if (remembered?.day === day) return remembered.price
    const price = findPrice(input)
    if (price !== 'unpriced' && !price.isSameAllDay) return price
    if (known.size >= maxPrices) known.clear()
    known.set(name, { price, day })
    return price
  }
  return {
    priceUsage(input) {
      const price = priceOf(input)
      return price === 'unpriced' ? price : { costNanoUsd: costNanoUsd(price, input.usage) }
    },
    estimateReservation(request) {
      const price = priceOf(request)
      if (price === 'unpriced') return 0
      const maxTokens = request.maxTokens ?? maxReservedOutputTokens
      return costNanoUsd(price, {
        ...noUsage,
        inputTokens: estimateTokens(request.bodyBytes),
        outputTokens: Math.min(maxTokens, maxReservedOutputTokens),
      })
    },
  }
}
