/** The parts that the relay and the administration share, composed over one runtime. */
import { type Catalog, createCatalog } from './catalog/catalog.ts'
import type { CatalogContext } from './catalog/context.ts'
import { createSealer } from './crypto.ts'
import { createPricer, type Pricer } from './ledger/pricer.ts'
import type { Runtime } from './runtime.ts'
import { createKeyspace } from './store/keyspace.ts'

export interface Gateway extends CatalogContext {
  catalog: Catalog
  pricer: Pricer
}

export function createGateway(runtime: Runtime): Gateway {
  const keyspace = createKeyspace(runtime.config.KEY_PREFIX)
  return {
    runtime,
    keyspace,
    catalog: createCatalog(runtime.redis, keyspace, runtime.now),
    pricer: createPricer(),
    sealer: createSealer(runtime.config.ENCRYPTION_KEY),
  }
}
