/** Cleans what an upstream or a proxy said before an administrator reads it. */
import type { OutboundProxy } from '../../runtime.ts'

const maxLength = 500

/** The message without addresses and credentials, whoever wrote them into it, and cut to length. */
export function presentable(
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

/** Every text by which a proxy, or whoever it talks to, can name it or its credential. */
function tracesOf({ host, port, auth }: OutboundProxy): string[] {
  const place = host.includes(':') ? `[${host}]` : host
  if (!auth) return [host, `${place}:${port}`]
  const { username, password } = auth
  const pair = new TextEncoder().encode(`${username}:${password}`)
  const basic = btoa(String.fromCharCode(...pair)) // RFC 7617 §2
  return [host, `${place}:${port}`, username, password, encodeURIComponent(password), basic]
}

/** Finds the longest first: of a text that holds another, the rest would stay. */
function anyOf(texts: string[]): RegExp {
  const escaped = texts
    .toSorted((a, b) => b.length - a.length)
    .map((text) => text.replaceAll(/[^\w]/gu, '\\$&'))
  return new RegExp(escaped.join('|'), 'gi')
}
