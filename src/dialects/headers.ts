/** Header hygiene: what never goes upstream, and what never comes back. */

const hopByHop =
  'connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding upgrade'

const neverUpstream = new Set(
  `${hopByHop} host expect content-length accept-encoding x-api-key authorization cookie forwarded x-real-ip true-client-ip via cdn-loop chatgpt-account-id origin referer openai-organization openai-project`.split(
    ' ',
  ),
)

const neverBack = new Set(
  `${hopByHop} content-encoding content-length set-cookie server via alt-svc strict-transport-security report-to nel anthropic-organization-id openai-organization openai-project retry-after x-request-id`.split(
    ' ',
  ),
)

// A page that calls the gateway is no page to the vendor, which may refuse the account for it (CORS).
const neverUpstreamPrefixes = ['cf-', 'x-forwarded-', 'sec-websocket-', 'sec-fetch-']
const neverBackPrefixes = [
  'cf-',
  'anthropic-ratelimit-',
  'x-ratelimit-',
  'x-codex-primary-',
  'x-codex-secondary-',
  'x-codex-credits-',
]

/** The caller's headers as they go upstream, still without a credential (RFC 9110 §7.6.1). */
export function upstreamHeaders(headers: Headers, userAgent: string): Headers {
  const kept = without(headers, neverUpstream, neverUpstreamPrefixes)
  kept.set('accept-encoding', 'identity')
  if (userAgent !== '') kept.set('user-agent', userAgent)
  return kept
}

/** The upstream's headers as they come back to the caller. */
export function downstreamHeaders(headers: Headers): Headers {
  return without(headers, neverBack, neverBackPrefixes)
}

function without(headers: Headers, names: Set<string>, prefixes: string[]): Headers {
  // RFC 9110 §7.6.1: what `connection` names is hop-by-hop as well.
  const named = new Set((headers.get('connection') ?? '').toLowerCase().split(/\s*,\s*/))
  const kept = new Headers()
  for (const [name, value] of headers) {
    if (names.has(name) || named.has(name)) continue
    if (prefixes.some((prefix) => name.startsWith(prefix))) continue
    kept.append(name, value)
  }
  return kept
}
