/** The format of the store: its version, and the error when gateway and store have different ones. */
import { GatewayError } from '../errors.ts'

/**
 * The format that this gateway reads and writes, kept as `schema` beside the version of the pool. A
 * store without the field has format 1, if its pool has a version. The number grows only when an older gateway could not read or
 * would damage what a newer one writes; see `src/README.md` for the rules of an upgrade.
 */
export const schemaVersion = 2

/** The format of a store; while it is converted, the one that it is converted to. */
export interface Schema {
  version: number
  isConverting: boolean
}

/** The format of a store by fields of its pool's hash; a store without a version of its pool is new. */
export function storedSchema(field: string | null | undefined, version: string | null | undefined) {
  return field || version ? readSchema(field) : readSchema(String(schemaVersion))
}

/** Reads the field `schema` of the pool's hash: `2`, or `2 converting`. */
export function readSchema(field: string | null | undefined): Schema {
  const [, version = '1', converting] = /^(\d+)( converting)?$/.exec(field ?? '1') ?? []
  return { version: Number(version), isConverting: converting !== undefined }
}

/** A gateway of format `target` met a store of another one; nothing was read or written. */
export class IncompatibleStore extends GatewayError {
  readonly found: Schema

  constructor(found: Schema, target = schemaVersion) {
    const what =
      found.version > target
        ? `The store has format ${found.version}, which is newer than this gateway (format ${target}); upgrade this gateway`
        : `The store has an older format than this gateway (format ${target}) and is being converted; try again`
    super('store_incompatible', what, { retryAfterSeconds: 5 })
    this.found = found
  }
}
