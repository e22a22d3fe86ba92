/** The client's request in the form that one account takes. */

import { splice } from '../../bytes.ts'
import type { Adaptation } from '../../dialects/dialect.ts'
import { upstreamHeaders } from '../../dialects/headers.ts'
import type { RequestBody } from '../../platforms/platform.ts'
import { type PreparedRequest, prepareRequest } from '../../platforms/prepare-request.ts'
import type { PlannedAccount } from '../scheduling/candidates.ts'
import type { AttemptContext } from './outcome.ts'

/**
 * The request to `planned`, built by the platform of that account.
 * @throws SealError when the account's secrets cannot be read with this gateway's key, what its
 * platform throws, and the reason of `signal` when that aborts.
 */
export async function upstreamRequest(
  { openSecrets, dialect, operation, client }: AttemptContext,
  { account, platform, upstreamModel }: PlannedAccount,
  signal: AbortSignal,
): Promise<PreparedRequest> {
  const { model, modelStart, modelEnd } = client.hints
  return prepareRequest(platform, openSecrets(account), {
    account,
    operation,
    method: client.method ?? 'POST',
    subpath: client.subpath ?? '',
    headers: upstreamHeaders(client.headers, dialect.headerRules),
    search: client.search,
    body: adapted({ bytes: client.body, model, modelStart, modelEnd }, client.adaptation),
    upstreamModel,
    signal,
  })
}

/** The body with what the request asks for beyond its client; its model moves where that comes before it. */
function adapted(body: RequestBody, adaptation: Adaptation | undefined): RequestBody {
  if (!adaptation) return body
  const { start, end, replacement } = adaptation.edit
  const shift = start < body.modelStart ? replacement.length - (end - start) : 0
  return {
    ...body,
    bytes: splice(body.bytes, start, end, replacement),
    modelStart: body.modelStart + shift,
    modelEnd: body.modelEnd + shift,
  }
}
