/** What platforms share to build their requests: addresses and the renaming of models. */

import { splice } from '../bytes.ts'
import type { Operation } from '../domain/operation.ts'
import { GatewayError } from '../errors.ts'
import type { AccountCall, PlatformRequest, RequestBody } from './platform.ts'

/** The path of each operation that a platform serves, such as `/v1/messages`. */
export type OperationPaths = Partial<Record<Operation, string>>

/**
 * The address of an operation below `apiUrl`. What the base already has of the path, in whole
 * segments, is not doubled.
 * @throws GatewayError `internal` when the platform does not serve the operation.
 */
export function operationUrl(apiUrl: string, paths: OperationPaths, operation: Operation): string {
  const path = paths[operation]
  if (path === undefined) {
    throw new GatewayError('internal', `The platform does not serve the operation "${operation}"`)
  }
  const base = apiUrl.replace(/(?<!\/)\/+$/, '')
  for (let end = path.length; end > 0; end = path.lastIndexOf('/', end - 1)) {
    if (base.endsWith(path.slice(0, end))) return base + path.slice(end)
  }
  return base + path
}

/** The body of a request to an account, with its name of the model; undefined where the method takes none. */
export function bodyOf({ method, body, upstreamModel }: AccountCall): PlatformRequest['body'] {
  if (method === 'GET' || method === 'DELETE') return undefined
  return renameModel(body, upstreamModel)
}

/**
 * The body with the value of `model` replaced and every other byte kept; the same bytes when the
 * model is the same.
 */
export function renameModel(body: RequestBody, model: string): Uint8Array<ArrayBuffer> {
  const { bytes, modelStart, modelEnd } = body
  if (model === body.model) return bytes
  const value = new TextEncoder().encode(JSON.stringify(model))
  return splice(bytes, modelStart, modelEnd, value)
}
