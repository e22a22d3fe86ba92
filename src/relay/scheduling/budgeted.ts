/** A key with a cost limit may use only what has a price: what is unpriced would not count. */

import type { ApiKey } from '../../catalog/api-key.ts'
import { GatewayError } from '../../errors.ts'
import { hasCostLimit } from '../../ledger/key-limits.ts'
import type { Pricer } from '../../ledger/pricer.ts'
import type { Choice, PlannedAccount } from './candidates.ts'

interface Asked {
  apiKey: ApiKey
  pricer: Pick<Pricer, 'hasPrice'>
  /** The setting UNPRICED_MODELS. */
  unpricedModels: 'refuse' | 'dearest'
  model: string
  atMs: number
}

/**
 * The choice without the accounts that would be asked for a model without a price, where the key has a
 * cost limit and such models are refused.
 * @throws GatewayError `model_unpriced` when none is left.
 */
export function budgeted(choice: Choice, asked: Asked): Choice {
  const { apiKey, pricer, unpricedModels, model, atMs } = asked
  if (unpricedModels !== 'refuse' || choice.refusal || !hasCostLimit(apiKey)) return choice
  const isPriced = ({ platform, account, upstreamModel }: PlannedAccount) => {
    const { priceProvider: provider } = platform
    return pricer.hasPrice({ provider, model: upstreamModel, account, atMs })
  }
  if (choice.priced.every(isPriced)) return choice
  const candidates = choice.candidates.filter(isPriced)
  if (candidates.length === 0) {
    throw new GatewayError(
      'model_unpriced',
      `The model "${model}" has no known price, and this gateway key has a cost limit, which could not count it; ask your administrator to set a price for the model (/api/v2/prices) or UNPRICED_MODELS=dearest`,
    )
  }
  const excluded = choice.candidates
    .filter((planned) => !candidates.includes(planned))
    .map(({ account }) => ({ accountId: account.id, why: 'model_unpriced' as const }))
  return {
    ...choice,
    candidates,
    priced: choice.priced.filter(isPriced),
    excluded: [...choice.excluded, ...excluded],
  }
}
