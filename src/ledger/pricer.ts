/** The pricer: what usage costs, and what to reserve of a budget for a request that is about to start. */
import type { Account } from '../catalog/account.ts'
import { type ModelPrices, modelPriceName } from '../catalog/model-price.ts'
import type { BillLine } from '../domain/bill.ts'
import { estimateTokens, noUsage } from '../domain/usage.ts'
import { multiplied } from '../money.ts'
import { adminCard } from './admin-card.ts'
import { appliedFactors } from './factors.ts'
import { type ListedPrice, snapshotEnding } from './kept-list.ts'
import { knownModels } from './known-models.ts'
import { findPrice, type ModelInput, type PriceInput, priceName } from './price.ts'
import { type AppliedFactors, costOf, type PriceCard, type PriceProvider } from './price-card.ts'

/** The account that is or would be asked, which may have prices of its own. */
export interface OfAccount {
  account?: Pick<Account, 'id' | 'costMultiplier'> | undefined
  /** Something limits the cost: without a price the dearest one of the vendor counts. */
  isBudgeted?: boolean | undefined
}

/** A request before its usage is known. */
export interface ReservationInput extends ModelInput, OfAccount {
  bodyBytes: number
  /** The client's bound on output tokens, if it names one. */
  maxTokens: number | undefined
}

/** What usage costs, and how that was found. */
export interface Priced {
  /** What is booked: the list cost times the multiplier of the account. */
  costNanoUsd: number
  listCostNanoUsd: number
  multiplier: number
  /** The model whose price counted. */
  model: string
  card: Pick<PriceCard, 'source' | 'table'>
  factors: AppliedFactors
  /** Of the list cost. */
  lines: BillLine[]
}

export interface Pricer {
  /** What usage costs, in nano-USD; `unpriced` if there is no price, and no budget that needs one. */
  priceUsage(input: PriceInput & OfAccount): Priced | 'unpriced'
  /** Whether a model has a price of its own on an account. */
  hasPrice(input: ModelInput & OfAccount): boolean
  /**
   * What to reserve, in nano-USD: the body as input without any cache, and `maxTokens` of output, at most
   * as many as the setting allows. 0 for what has no price, and no budget that needs one.
   */
  estimateReservation(input: ReservationInput): number
}

export interface PricerOptions {
  /** Prices that an administrator has set, as memory has them now. */
  modelPrices?: () => ModelPrices
  /** Output tokens that a reservation assumes at most; 0 = as many as the client allows. */
  reservationOutputTokens?: number
}

/** Output tokens that a reservation assumes where nothing else is named. */
export const usualOutputTokens = 4_096
/** Clients name the models, so the number of remembered prices needs a bound. */
const maxPrices = 1_000
const dayMs = 24 * 60 * 60_000
const noPrices: ModelPrices = new Map()

interface Remembered {
  price: ListedPrice | 'unpriced'
  day: number
}

/** Makes a pricer that remembers the public prices of models for a day, since the search for one is slow. */
export function createPricer(options: PricerOptions = {}): Pricer {
  const { modelPrices = () => noPrices, reservationOutputTokens = usualOutputTokens } = options
  const publicPrice = createPublicPrices()
  const dearest = createDearest()

  const ownCard = (model: string, accountId: string | undefined): PriceCard | undefined => {
    const prices = modelPrices()
    if (prices.size === 0) return undefined
    const name = priceName(model)
    const names = [name, name.replace(snapshotEnding, '')]
    for (const owner of accountId === undefined ? [null] : [accountId, null]) {
      for (const one of names) {
        const price = prices.get(modelPriceName(one, owner))
        if (price) return adminCard(price)
      }
    }
    return undefined
  }

  /** The card of a model by the order of authority. */
  const cardOf = (input: ModelInput & OfAccount): PriceCard | undefined => {
    const own = ownCard(input.model, input.account?.id)
    if (own) return own
    const found = publicPrice(input)
    return found === 'unpriced' ? undefined : found.card
  }

  /**
   * Which model's price counts: that of the model that answered, unless that is the asked one by another
   * name, or an administrator has priced a name that no vendor knows.
   */
  const pricedModel = (input: PriceInput & OfAccount): string => {
    const { model: asked, factors: { servedModel: served } = {} } = input
    if (!served || priceName(served) === priceName(asked)) return asked
    const ofServed = { ...input, model: served }
    if (!cardOf(ofServed)) return asked
    const askedPublic = publicPrice(input)
    if (askedPublic === 'unpriced') return ownCard(asked, input.account?.id) ? asked : served
    const servedPublic = publicPrice(ofServed)
    const isSame = servedPublic !== 'unpriced' && servedPublic.id === askedPublic.id
    return isSame ? asked : served
  }

  const multiplierOn = (card: PriceCard, { account }: OfAccount) =>
    card.source === 'account' ? 1 : (account?.costMultiplier ?? 1)

  const budgetCard = (input: ModelInput & OfAccount): PriceCard | undefined =>
    cardOf(input) ?? (input.isBudgeted ? dearest(input) : undefined)

  return {
    priceUsage(input) {
      const model = pricedModel(input)
      const card = budgetCard({ ...input, model })
      if (!card) return 'unpriced'
      const factors = appliedFactors(input.provider, priceName(model), input.factors ?? {})
      const { costNanoUsd: listCostNanoUsd, lines } = costOf(card, input.usage, factors)
      const multiplier = multiplierOn(card, input)
      const costNanoUsd = multiplied(listCostNanoUsd, multiplier)
      return { costNanoUsd, listCostNanoUsd, multiplier, model, card, factors, lines }
    },
    hasPrice: (input) => cardOf(input) !== undefined,
    estimateReservation(request) {
      const card = budgetCard(request)
      if (!card) return 0
      const asked = request.maxTokens ?? usualOutputTokens
      const outputTokens =
        reservationOutputTokens === 0 ? asked : Math.min(asked, reservationOutputTokens)
      const inputTokens = estimateTokens(request.bodyBytes)
      const { costNanoUsd } = costOf(card, { ...noUsage, inputTokens, outputTokens })
      return multiplied(costNanoUsd, multiplierOn(card, request))
    },
  }
}

function createPublicPrices(): (input: ModelInput) => ListedPrice | 'unpriced' {
  const known = new Map<string, Remembered>()
  return (input) => {
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
}

/** The card of the dearest model of a vendor, by the sum of its first rates for input and output. */
function createDearest(): (input: ModelInput) => PriceCard | undefined {
  const known = new Map<PriceProvider, { day: number; card: PriceCard | undefined }>()
  return ({ provider, atMs }) => {
    const day = Math.floor(atMs / dayMs)
    const remembered = known.get(provider)
    if (remembered?.day === day) return remembered.card
    let card: PriceCard | undefined
    let most = -1
    for (const model of knownModels(provider)) {
      const found = findPrice({ provider, model, atMs })
      if (found === 'unpriced') continue
      const rates = found.card.bands[0]?.rates
      const sum = rates ? rates.input + rates.output : 0
      if (sum <= most) continue
      most = sum
      card = { ...found.card, source: 'dearest', table: `${found.card.table} ${found.id}` }
    }
    known.set(provider, { day, card })
    return card
  }
}
