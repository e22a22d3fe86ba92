/** The secret of a gateway key: made here, shown once, kept only as a digest. */
import type { ApiKey } from '../../catalog/api-key.ts'
import type { Stored } from '../../catalog/stored-records.ts'
import { createApiKey, digestApiKey, keyPreview } from '../../crypto.ts'
import type { Gateway } from '../../gateway.ts'

/** A record and its plain key, which is not stored anywhere. */
export interface IssuedApiKey {
  stored: Stored<ApiKey>
  plain: string
}

/** A new plain key, and what its record keeps of it. */
export function newSecret({ runtime }: Gateway) {
  const plain = createApiKey(runtime.config.API_KEY_PREFIX)
  return { plain, digest: digestApiKey(plain), keyPreview: keyPreview(plain) }
}
