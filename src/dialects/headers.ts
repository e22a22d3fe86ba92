/** Header rules: which headers of a request never go upstream, and which of an answer never come back. */

import { HeaderList, type HeaderReader } from '../http-message.ts'

/** Headers by name and by the beginning of their name, in lower case. */
interface HeaderSet {
  names: ReadonlySet<string>
  prefixes: readonly string[]
}

export interface HeaderRules {
  neverUpstream: HeaderSet
  neverBack: HeaderSet
  /** Headers of an answer that name the model; they do not come back when the account renames it. */
  namingModel: ReadonlySet<string>
}

const namesOf = (text: string) => new Set(text.split(' '))

const hopByHop =
  'connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding upgrade'

/** The rules that hold for every dialect: accounts may be relays, which add headers of any vendor. */
export const commonHeaderRules: HeaderRules = {
  neverUpstream: {
    names: namesOf(
      `${hopByHop} host expect content-length content-encoding accept-encoding x-api-key api-key authorization cookie forwarded x-real-ip true-client-ip via cdn-loop chatgpt-account-id origin referer openai-organization openai-project`,
    ),
    // Vendors may refuse requests that look as if a web page had sent them (CORS).
    prefixes: ['cf-', 'x-forwarded-', 'sec-websocket-', 'sec-fetch-'],
  },
  neverBack: {
    names: namesOf(
      `${hopByHop} content-encoding content-length set-cookie server via alt-svc strict-transport-security report-to nel anthropic-organization-id openai-organization openai-project retry-after x-request-id`,
    ),
    prefixes: [
      'cf-',
      'anthropic-ratelimit-',
      'anthropic-fast-',
      'x-ratelimit-',
      'x-codex-primary-',
      'x-codex-secondary-',
      'x-codex-credits-',
    ],
  },
  namingModel: namesOf('openai-model'),
}

/** A copy of the client's headers as they go upstream, still without a credential. */
export function upstreamHeaders(headers: HeaderReader, { neverUpstream }: HeaderRules): HeaderList {
  return without(headers, neverUpstream)
}

/** A copy of the upstream's headers as they come back to the client. */
export function downstreamHeaders(
  headers: HeaderReader,
  { neverBack, namingModel }: HeaderRules,
  isModelRenamed: boolean,
): HeaderList {
  const kept = without(headers, neverBack)
  if (isModelRenamed) for (const name of namingModel) kept.delete(name)
  return kept
}

function without(headers: HeaderReader, { names, prefixes }: HeaderSet): HeaderList {
  const connection = headers.get('connection')
  // RFC 9110 §7.6.1: what `connection` names is hop-by-hop as well.
  const named = connection === null ? noNames : namesIn(connection)
  const kept = new HeaderList()
  for (const [name, value] of headers) {
    if (names.has(name) || named.has(name)) continue
    if (prefixes.some((prefix) => name.startsWith(prefix))) continue
    kept.append(name, value)
  }
  return kept
}

const noNames: ReadonlySet<string> = new Set()

const namesIn = (list: string): ReadonlySet<string> =>
  new Set(
    list
      .toLowerCase()
      .split(',')
      .map((name) => name.trim()),
  )
