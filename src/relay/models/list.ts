/** The models that a gateway key may use. */
import type { Account } from '../../catalog/account.ts'
import type { ApiKey } from '../../catalog/api-key.ts'
import { listedModels } from '../../catalog/supported-models.ts'
import type { PoolId } from '../../domain/platform.ts'
import type { Gateway } from '../../gateway.ts'
import { knownModels } from '../../ledger/known-models.ts'
import { authenticate } from '../authenticate.ts'
import { permittedUse } from '../permitted-use.ts'
import { mayUseModel } from '../plan.ts'
import { findCandidates } from '../scheduling/candidates.ts'

/**
 * The names that the key may ask for in a pool, sorted: those that its accounts list where they restrict,
 * else those of the platform that the price list names. Empty where no account may serve it.
 * @param onKey gets the id of the key as soon as that is known.
 * @throws GatewayError `invalid_api_key`, `key_disabled`, `key_expired`, `not_permitted`
 */
export async function listModels(
  gateway: Gateway,
  headers: Headers,
  poolId: PoolId,
  onKey: (keyId: string) => void,
): Promise<string[]> {
  const { catalog, runtime } = gateway
  const inPool = gateway.platforms.inPool(poolId)
  const nowMs = runtime.now()
  const permitted = (apiKey: ApiKey | undefined) =>
    permittedUse({ apiKey, headers, nowMs, listsModels: true }, inPool)
  const { snapshot } = await authenticate(catalog, headers, ({ apiKey }) => {
    if (apiKey) onKey(apiKey.record.id)
    permitted(apiKey?.record)
  })
  // Asked rarely, so it may as well see every edit at once.
  const { apiKey: fresh, pool } = await catalog.load(snapshot.digest)
  const { apiKey, platforms } = permitted(fresh?.record)
  const { accounts } = pool
  const search = { accounts, apiKey, poolId, platforms, model: undefined }
  const { candidates } = findCandidates({ ...search, canProxy: runtime.canProxy })
  const names = candidates.flatMap(({ account, platform }) =>
    namesOf(account, knownModels(platform.priceProvider)),
  )
  return [...new Set(names)].filter((model) => mayUseModel(apiKey, model)).toSorted()
}

const namesOf = ({ supportedModels }: Account, known: string[]): string[] =>
  listedModels(supportedModels) ?? known
