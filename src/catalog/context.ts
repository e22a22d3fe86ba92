/** What the verbs of the catalog work with. */
import type { Sealer } from '../crypto.ts'
import type { Runtime } from '../runtime.ts'
import type { Keyspace } from '../store/keyspace.ts'
import type { Catalog } from './catalog.ts'

/** The slice of the gateway that administration needs; a `Gateway` satisfies it. */
export interface CatalogContext {
  runtime: Runtime
  keyspace: Keyspace
  catalog: Catalog
  sealer: Sealer
}

/** One page of a list; `nextCursor` is null on the last one. */
export interface Page<T> {
  data: T[]
  nextCursor: string | null
}

/** Where a page begins (the last id of the one before) and how much it holds at most. */
export interface PageRequest {
  cursor: string | undefined
  limit: number
}
