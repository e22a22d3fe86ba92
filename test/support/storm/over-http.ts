/** A storm over the wire: what its clients and its administrator need of a gateway's address. */
import { Pool } from 'undici'
import type { Send } from './orders.ts'
import type { Admin } from './phase.ts'

/** Clients of the gateway at `url`, and a way to end their connections. */
export function connectClients(url: string, connections: number) {
  const pool = new Pool(url, { connections, headersTimeout: 60_000, bodyTimeout: 60_000 })
  const send: Send = async ({ id, key, body }) => {
    const headers = { 'content-type': 'application/json', 'x-api-key': key.key, 'x-request-id': id }
    const answer = await pool.request({ method: 'POST', path: '/v1/messages', headers, body })
    const requestId = answer.headers['x-request-id']
    const text = await answer.body.text()
    return { status: answer.statusCode, requestId: String(requestId), text }
  }
  return { send, close: () => pool.destroy() }
}

/** Logs in at the gateway at `url`. */
export async function connectAdmin(url: string, password: string): Promise<Admin> {
  let token = ''
  const admin: Admin = async (method, path, body) => {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` }
    const init = { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) }
    const response = await fetch(`${url}/api/v2${path}`, init)
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
    return JSON.parse(text)
  }
  const login = await admin('POST', '/auth/admin/login', { username: 'admin', password })
  token = login.token
  return admin
}
