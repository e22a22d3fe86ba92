/** How the credential of an account is sent, and which credentials no account may have. */
import type { Account } from '../catalog/account.ts'
import { parseJson } from '../json.ts'

/**
 * Puts the credential into the header that the account chooses, as a bearer token in `authorization`.
 * @param auto the header of an account that leaves it to the gateway.
 */
export function setCredential(
  headers: Pick<Headers, 'set'>,
  { credentialHeader }: Pick<Account, 'credentialHeader'>,
  credential: string,
  auto: 'x-api-key' | 'authorization',
): void {
  const name = credentialHeader === 'auto' ? auto : credentialHeader
  headers.set(name, name === 'authorization' ? `Bearer ${credential}` : credential)
}

const issuerOfChatGpt = 'https://auth.openai.com'

/**
 * Why a credential belongs to one person's subscription and to no API; undefined where it does not.
 * Anthropic has refused such tokens since February 2026, and both vendors forbid to share them.
 */
export function subscriptionFault(credential: string): string | undefined {
  if (credential.startsWith('sk-ant-oat')) {
    return "is a token of a Claude subscription (sk-ant-oat…): Anthropic's API refuses it, and its terms forbid to share it. Use an API key of the Console (sk-ant-api…)"
  }
  if (issuerOf(credential) === issuerOfChatGpt) {
    return "is a token of a ChatGPT login: OpenAI's terms forbid to share it. Use an API key of the platform (sk-…)"
  }
  return undefined
}

/** The issuer that a JSON Web Token names (RFC 7519 §4.1.1); undefined for anything else. */
function issuerOf(token: string): unknown {
  const claims = /^eyJ[\w-]{1,2000}\.([\w-]{1,4500})\.[\w-]{0,2000}$/.exec(token)?.[1]
  if (claims === undefined) return undefined
  const base64 = claims.replaceAll('-', '+').replaceAll('_', '/')
  try {
    return Object(parseJson(atob(base64))).iss
  } catch {
    return undefined
  }
}
