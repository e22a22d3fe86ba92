/** What a vendor says of a failure, in a form that an administrator may read. */
import { z } from 'zod'
import type { Account } from '../../catalog/account.ts'
import type { OpenSecrets } from '../../catalog/account-secrets.ts'
import type { OutboundProxy } from '../../runtime.ts'

const maxLength = 500
/** Longer ones are cut before they are searched. */
const maxSearchedLength = 16 * 1024

const text = z.string().optional().catch(undefined)
const ErrorBody = z.object({
  error: z
    .union([z.string(), z.object({ message: z.string() })])
    .optional()
    .catch(undefined),
  message: text,
  detail: text,
})

/** The sentence of an error as vendors and relays write it in JSON; undefined where there is none. */
export function sentenceOf(json: unknown): string | undefined {
  const { error, message, detail } = ErrorBody.safeParse(json).data ?? {}
  const said = typeof error === 'string' ? error : (error?.message ?? message ?? detail)
  return said?.trim() || undefined
}

/** The message with every address and credential replaced by `[hidden]`, of 500 characters at most. */
export function redact(
  message: string,
  apiUrl: string,
  { credential, proxy }: { credential: string; proxy: OutboundProxy | undefined },
): string {
  const secrets = [credential, new URL(apiUrl).host, ...(proxy ? tracesOf(proxy) : [])]
  const hidden = message
    .slice(0, maxSearchedLength)
    .replaceAll(anyOf(secrets), '[hidden]')
    .replaceAll(/\b(https?|wss?|socks\w*):\/\/[^\s"'<>]+/gi, '[hidden]')
    .replaceAll(/\bsk-[\w*.-]+/g, '[hidden]')
  return hidden.length > maxLength ? `${hidden.slice(0, maxLength - 1)}…` : hidden
}

/** The same for an account; undefined where there is no message, or no telling what is a secret. */
export function redactFor(
  account: Account,
  openSecrets: OpenSecrets,
  message: string | null | undefined,
): string | undefined {
  if (!message) return undefined
  try {
    return redact(message, account.apiUrl, openSecrets(account))
  } catch {
    return undefined
  }
}

/** Every text in which the address or the credential of a proxy can occur. */
function tracesOf({ host, port, auth }: OutboundProxy): string[] {
  const bracketed = host.includes(':') ? `[${host}]` : host
  if (!auth) return [host, `${bracketed}:${port}`]
  const { username, password } = auth
  const pair = new TextEncoder().encode(`${username}:${password}`)
  const basic = btoa(String.fromCharCode(...pair)) // RFC 7617 §2
  return [host, `${bracketed}:${port}`, username, password, encodeURIComponent(password), basic]
}

/** Matches the longest text first: else a part of a text that contains another would remain. */
function anyOf(texts: string[]): RegExp {
  const escaped = texts
    .toSorted((a, b) => b.length - a.length)
    .map((text) => text.replaceAll(/[^\w]/gu, '\\$&'))
  return new RegExp(escaped.join('|'), 'gi')
}
