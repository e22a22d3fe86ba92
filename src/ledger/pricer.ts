/** The pricer: what usage costs, and what to reserve of a budget for a request that is about to start. */
import { estimateTokens, noUsage, type Usage } from '../domain/usage.ts'
import { type PriceInput, priceUsage } from './price.ts'

/** A request before its usage is known. */
export interface ReservationInput extends Omit<PriceInput, 'usage'> {
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
/** Clients name the models, so the number of remembered rates needs a bound. */
const maxRates = 1_000
const rateLifetimeMs = 60 * 60_000
const sampleTokens = 1_000

/** Nano-USD per token. */
interface Rate {
  input: number
  output: number
  pricedAtMs: number
}

/** Makes a pricer that remembers the rates of models for an hour. */
export function createPricer(): Pricer {
  const rates = new Map<string, Rate>()
  const rateOf = (request: ReservationInput): Rate => {
    const name = `${request.provider}:${request.model}`
    const known = rates.get(name)
    if (known && Math.abs(request.atMs - known.pricedAtMs) < rateLifetimeMs) return known
    const rate = sampleRate(request)
    if (rates.size >= maxRates) rates.clear()
    rates.set(name, rate)
    return rate
  }
  return {
    priceUsage,
    estimateReservation(request) {
      const { input, output } = rateOf(request)
      const inputTokens = estimateTokens(request.bodyBytes)
      const maxTokens = request.maxTokens ?? maxReservedOutputTokens
      const outputTokens = Math.min(maxTokens, maxReservedOutputTokens)
      return Math.round(input * inputTokens + output * outputTokens)
    },
  }
}

function sampleRate({ provider, model, atMs }: ReservationInput): Rate {
  const perToken = (usage: Partial<Usage>) => {
    const price = priceUsage({ provider, model, usage: { ...noUsage, ...usage }, atMs })
    return price === 'unpriced' ? 0 : price.costNanoUsd / sampleTokens
  }
  return {
    input: perToken({ inputTokens: sampleTokens }),
    output: perToken({ outputTokens: sampleTokens }),
    pricedAtMs: atMs,
  }
}
