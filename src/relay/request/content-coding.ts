/** Content coding: how the body of a request is compressed, and what it holds. */
import { GatewayError } from '../../errors.ts'
import type { HeaderReader } from '../../http-message.ts'
import type { Decompress, Runtime } from '../../runtime.ts'
import { readParts, type UploadRoom } from './body.ts'

/** How a body is compressed. */
export interface ContentCoding {
  name: string
  decompress: Decompress
}

/**
 * The compression of a body; undefined where there is none.
 * @throws GatewayError `unsupported_media_type` where this host cannot undo it.
 */
export function contentCoding(
  headers: HeaderReader,
  { decompressors }: Pick<Runtime, 'decompressors'>,
): ContentCoding | undefined {
  const name = (headers.get('content-encoding') ?? 'identity').trim().toLowerCase()
  if (name === 'identity' || name === '') return undefined
  const decompress = decompressors?.get(name)
  if (decompress) return { name, decompress }
  const known = [...(decompressors?.keys() ?? []), 'identity'].join(', ')
  const message = `This gateway cannot read a request body with this content-encoding; it reads ${known}`
  throw new GatewayError('unsupported_media_type', message)
}

/**
 * What a compressed body holds.
 * @returns the bytes, or undefined when there are more than `limitBytes`.
 * @throws GatewayError `invalid_request` for one that is cut off, followed by more, or damaged.
 */
export function decompressed(
  { name, decompress }: ContentCoding,
  body: Uint8Array<ArrayBuffer>,
  room: Pick<UploadRoom, 'limitBytes' | 'makeRoom'>,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  return readParts(decompress(body), room).catch((error: unknown) => {
    if (error instanceof GatewayError) throw error
    throw new GatewayError('invalid_request', `The request body is not one whole ${name} stream`)
  })
}
