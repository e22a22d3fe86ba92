/** What the catalog needs of a gateway: the host, the names of its keys, and the means to open secrets. */
import type { Sealer } from '../crypto.ts'
import type { Runtime } from '../runtime.ts'
import type { Keyspace } from '../store/keyspace.ts'

export interface CatalogContext {
  runtime: Runtime
  keyspace: Keyspace
  /** Seals and opens upstream credentials. */
  sealer: Sealer
}
