/** What an admin and a member do over HTTP, in as few words as a journey needs. */
import { connect } from 'node:net'
import { expect } from 'vitest'
import type { GatewayHost } from './host.ts'

export { eventually } from '../support/wait.ts'

export interface Created {
  id: string
  /** The plain gateway key; only keys have it. */
  key: string
}

export interface Stats {
  requests: number
  inputTokens: number
  outputTokens: number
  cacheCreateTokens: number
  cacheReadTokens: number
  costUsd: number
  estimatedRequests: number
  orphanedRequests: number
  sessionMoves: number
}

export type AdminClient = Awaited<ReturnType<typeof logIn>>

/** Logs in and returns the calls an admin makes; each fails the test on an unexpected status. */
export async function logIn(host: GatewayHost) {
  const call = async (method: string, path: string, body?: unknown, token = '') => {
    const response = await fetch(`${host.url}/api/v2${path}`, {
      method,
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, text, json: text === '' ? undefined : JSON.parse(text) }
  }
  const credentials = { username: 'admin', password: host.adminPassword }
  const login = await call('POST', '/auth/admin/login', credentials)
  expect(login.status).toBe(200)
  const token: string = login.json.token
  const expectStatus = async (status: number, method: string, path: string, body?: unknown) => {
    const response = await call(method, path, body, token)
    expect(response.status, response.text).toBe(status)
    return response.json
  }
  return {
    token,
    request: (method: string, path: string, body?: unknown) => call(method, path, body, token),
    createAccount: (
      fields: Record<string, unknown>,
      platform = 'claude-console',
    ): Promise<Created> =>
      expectStatus(201, 'POST', `/accounts/${platform}`, { name: 'account', ...fields }),
    account: (id: string) => expectStatus(200, 'GET', `/accounts/claude-console/${id}`),
    createKey: (fields: Record<string, unknown> = {}): Promise<Created> =>
      expectStatus(201, 'POST', '/keys', { name: 'key', ...fields }),
    deleteKey: (id: string) => expectStatus(200, 'DELETE', `/keys/${id}`),
    stats: (id: string): Promise<{ total: Stats; daily: Stats; monthly: Stats }> =>
      expectStatus(200, 'GET', `/keys/${id}/stats`),
  }
}

export const messageBody = (fields: Record<string, unknown> = {}) =>
  JSON.stringify({
    model: 'claude-sonnet-4-6',
    max_tokens: 1_024,
    messages: [{ role: 'user', content: 'hi' }],
    ...fields,
  })

/** Sends a message as a member does. */
export function sendMessage(
  host: GatewayHost,
  key: string,
  body: string = messageBody(),
  init: { headers?: Record<string, string>; signal?: AbortSignal; path?: string } = {},
): Promise<Response> {
  return fetch(`${host.url}${init.path ?? '/api/v1/messages'}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': key, ...init.headers },
    body,
    ...(init.signal && { signal: init.signal }),
  })
}

/** Sends a message on a socket of its own; resolves to a way to reset that socket. */
export function sendAndReset(host: GatewayHost, key: string): () => void {
  const { hostname, port } = new URL(host.url)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => {})
  const body = messageBody()
  const head = [
    'POST /api/v1/messages HTTP/1.1',
    `host: ${hostname}`,
    `x-api-key: ${key}`,
    'content-type: application/json',
    `content-length: ${body.length}`,
  ]
  socket.write(`${head.join('\r\n')}\r\n\r\n${body}`)
  return () => void socket.resetAndDestroy()
}
