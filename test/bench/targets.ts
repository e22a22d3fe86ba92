/** What a measurement sends requests to: an upstream, a bare proxy, or a gateway that was set up. */
import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { Pool } from 'undici'
import { directory, peers, start } from './peers.ts'

const gateway = join(import.meta.dirname, '..', '..', 'src', 'node.ts')
const adminPassword = 'a password for the benchmark'
const keysPerCall = 100
/** More than any measurement opens at once. */
const maxConnections = 12_000

export interface Target {
  name: string
  process: ChildProcess
  pool: Pool
  /** The gateway keys that requests take in turn. */
  keys: string[]
}

export interface GatewayTarget extends Target {
  /** Calls the administration. @throws Error unless it answers with 2xx. */
  call(method: 'GET' | 'POST', path: string, body?: object): Promise<Record<string, string>>
  dataDir: string
  settings: Record<string, string>
}

export const poolTo = (url: string) =>
  new Pool(url, { connections: maxConnections, headersTimeout: 120_000, bodyTimeout: 300_000 })

export async function startUpstream(): Promise<Target & { url: string }> {
  const { process, url } = await start([peers, 'upstream'])
  return { name: 'upstream', process, pool: poolTo(url), keys: [''], url }
}

export async function startBareProxy(upstreamUrl: string): Promise<Target> {
  const { process, url } = await start([peers, 'proxy', upstreamUrl])
  return { name: 'bare proxy', process, pool: poolTo(url), keys: [''] }
}

/** Starts a gateway and sets it up as an administrator does. */
export async function startGateway(setup: {
  /** Also the name of its folder. */
  name: string
  upstreamUrl: string
  accounts?: number
  keys?: number
  settings?: Record<string, string>
}): Promise<GatewayTarget> {
  const { name, upstreamUrl, accounts = 1, keys: keyCount = 1 } = setup
  const dataDir = join(directory(), name)
  const settings = {
    PORT: '0',
    ADMIN_PASSWORD: adminPassword,
    ALLOW_PRIVATE_UPSTREAMS: 'true',
    DATA_DIR: dataDir,
    ...setup.settings,
  }
  const { process, url } = await start([gateway], settings)
  let token = ''
  const call: GatewayTarget['call'] = async (method, path, body) => {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` }
    const init = { method, headers, ...(body && { body: JSON.stringify(body) }) }
    const response = await fetch(`${url}/api/v2${path}`, init)
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
    return JSON.parse(text)
  }
  const credentials = { username: 'admin', password: adminPassword }
  token = (await call('POST', '/auth/admin/login', credentials)).token ?? ''
  for (let i = 0; i < accounts; i++) {
    const account = { name: `bench ${i}`, apiUrl: upstreamUrl, apiKey: `sk-ant-bench-${i}` }
    await call('POST', '/accounts/claude-console', account)
  }
  const keys: string[] = []
  while (keys.length < keyCount) {
    const count = Math.min(keysPerCall, keyCount - keys.length)
    const fields = {
      name: `member ${keys.length}`,
      tags: [`team ${keys.length / keysPerCall}`],
      count,
    }
    const { data } = await call('POST', '/keys', fields)
    for (const { key } of data as unknown as { key: string }[]) keys.push(key)
  }
  return { name, process, pool: poolTo(url), keys, call, dataDir, settings }
}

/** Starts a gateway again on the folder of one that has ended; it keeps accounts and keys. */
export async function restartGateway(ended: GatewayTarget): Promise<GatewayTarget> {
  const { process, url } = await start([gateway], ended.settings)
  return { ...ended, process, pool: poolTo(url) }
}
