/** Guards the sealed credentials of a store against a gateway that holds another key. */
import { GatewayError } from '../errors.ts'
import type { Gateway } from '../gateway.ts'

/**
 * Claims the store for this gateway's ENCRYPTION_KEY, or checks the claim that is there.
 * @throws GatewayError `misconfigured` when the store's credentials are sealed with another key.
 */
export async function ensureSealingKey(
  gateway: Pick<Gateway, 'runtime' | 'keyspace' | 'sealer'>,
): Promise<void> {
  const { runtime, keyspace, sealer } = gateway
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
