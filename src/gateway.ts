/** The parts that the relay and the administration share, composed over one runtime. */
import { type Catalog, createCatalog } from './catalog/catalog.ts'
import { createSealer, type Sealer } from './crypto.ts'
import type { Runtime } from './runtime.ts'
import { createKeyspace, type Keyspace } from './store/keyspace.ts'

export interface Gateway {
  runtime: Runtime
  keyspace: Keyspace
  catalog: Catalog
  /** Seals and opens upstream credentials. */
  sealer: Sealer
}

export function createGateway(runtime: Runtime): Gateway {
  const keyspace = createKeyspace(runtime.config.KEY_PREFIX)
  return {
    runtime,
    keyspace,
    catalog: createCatalog(runtime.redis, keyspace, runtime.now),
    sealer: createSealer(runtime.config.ENCRYPTION_KEY),
  }
}
