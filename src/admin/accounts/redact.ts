/** Removes secrets from what an upstream or a proxy said, before an administrator reads it. */
import type { OutboundProxy } from '../../runtime.ts'

const maxLength = 500

/** The message with every address and credential replaced by `[hidden]`, of 500 characters at most. */
export function redact(
  message: string,
  apiUrl: string,
  { credential, proxy }: { credential: string; proxy: OutboundProxy | undefined },
): string {
  const secrets = [credential, new URL(apiUrl).host, ...(proxy ? tracesOf(proxy) : [])]
  const hidden = message
    .replaceAll(anyOf(secrets), '[hidden]')
    .replaceAll(/\b(https?|wss?|socks\w*):\/\/[^\s"'<>]+/gi, '[hidden]')
    .replaceAll(/\bsk-[\w*.-]+/g, '[hidden]')
  return hidden.length > maxLength ? `${hidden.slice(0, maxLength - 1)}…` : hidden
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
