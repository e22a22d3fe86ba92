/** Guards the sealed credentials of a store against a gateway that holds another key. */
import { GatewayError } from '../errors.ts'
import type { CatalogContext } from './context.ts'

/**
 * Claims the store for this gateway's ENCRYPTION_KEY, or checks the claim that is there.
 * @throws GatewayError `misconfigured` when the store's credentials are sealed with another key.
 */
export async function ensureSealingKey({
  runtime,
  keyspace,
  sealer,
}: CatalogContext): Promise<void> {
  const [, claimed] = (await runtime.redis
    .pipeline()
    .set(keyspace.sealingKey, sealer.keyId, { nx: true })
    .get(keyspace.sealingKey)
    .exec()) as [unknown, string]
  if (claimed === sealer.keyId) return
  throw new GatewayError(
    'misconfigured',
    `ENCRYPTION_KEY: is key ${sealer.keyId}, but the credentials in this store are sealed with key ${claimed}; start the gateway with that key`,
  )
}
