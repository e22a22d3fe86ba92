/** The format of the store: its version, and what a gateway and a store of different versions tell. */
import { GatewayError } from '../errors.ts'

/**
 * The format that this gateway reads and writes, kept as `schema` beside the version of the pool. A
 * store without the field has format 1. The number grows only when an older gateway could not read or
 * would damage what a newer one writes; see `src/README.md` for the rules of an upgrade.
 */
export const schemaVersion = 1

/** The format of a store; while it is converted, the one that it is converted to. */
export interface Schema {
  version: number
  isConverting: boolean
}

/** Reads the field `schema` of the pool's hash: `2`, or `2 converting`. */
export function readSchema(field: string | null | undefined): Schema {
  const [, version = '1', converting] = /^(\d+)( converting)?$/.exec(field ?? '1') ?? []
  return { version: Number(version), isConverting: converting !== undefined }
}

/** Whether a gateway of format `target` may read and write a store of this format. */
export const isCompatible = ({ version, isConverting }: Schema, target = schemaVersion): boolean =>
  version === target && !isConverting

/** The refusal of a gateway of format `target` to use such a store; nothing was read or written. */
export function incompatible({ version }: Schema, target = schemaVersion): GatewayError {
  const what =
    version > target
      ? `The store has format ${version}, which is newer than this gateway (format ${target}); upgrade this gateway`
      : `The store has an older format than this gateway (format ${target}) and is being converted; try again`
  return new GatewayError('store_incompatible', what, { retryAfterSeconds: 5 })
}
