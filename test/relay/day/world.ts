/** The simulated gateway: six accounts of two priorities, three keys, and a store in virtual time. */
import type { Runtime } from '../../../src/runtime.ts'
import { createTestAdmin } from '../../support/gateway.ts'
import { createVirtualGateway } from '../../support/virtual-gateway.ts'

export const accountNames = ['north', 'south', 'west', 'east', 'spare', 'own'] as const
export type AccountName = (typeof accountNames)[number]
export const keyNames = ['team', 'crew', 'bound'] as const
export type KeyName = (typeof keyNames)[number]

export const southConcurrency = 3
export const westQuotaUsd = 9
export const westQuotaReset = '08:30'

/** Settings of the accounts: `north`, `south` and `west` serve first, `own` only the key `bound`. */
const settings: Record<AccountName, { priority: number } & Record<string, unknown>> = {
  north: { priority: 10 },
  south: { priority: 10, maxConcurrency: southConcurrency },
  west: { priority: 10, dailyQuota: westQuotaUsd, quotaResetTime: westQuotaReset },
  east: { priority: 50 },
  spare: { priority: 50 },
  own: { priority: 50, accountType: 'dedicated' },
}

export const priorityOf = (name: AccountName) => settings[name].priority

export type World = Awaited<ReturnType<typeof createWorld>>

/** Composes the gateway. Its upstream is simulated, because a socket knows no virtual time. */
export async function createWorld(startMs: number, fetch: Runtime['fetch']) {
  const gateway = createVirtualGateway({ startMs, config: { LOG_LEVEL: 'silent' }, fetch })
  const { time, engine } = gateway
  const admin = createTestAdmin(gateway)
  const ids = new Map<AccountName, string>()
  for (const name of accountNames) {
    const { id } = await admin.createAccount({
      ...settings[name],
      name,
      apiUrl: `https://${name}.example.com`,
      apiKey: `sk-ant-${name}`,
    })
    ids.set(name, id)
    // Ids are made of their moments, and their order decides between equals.
    await time.pass(1)
  }
  const keys = new Map<KeyName, { id: string; key: string }>()
  for (const name of keyNames) {
    const bound = name === 'bound' ? { claudeConsoleAccountId: ids.get('own') } : {}
    keys.set(name, await admin.createKey({ name, ...bound }))
  }
  const { keyspace } = gateway.gateway
  /** Rows of a hash as they are at this very moment of the process. */
  const rows = async (key: string): Promise<Map<string, string>> => {
    const { result } = await engine.request<string[]>({ body: ['HGETALL', key] })
    const flat = result ?? []
    return new Map(flat.flatMap((field, i) => (i % 2 === 0 ? [[field, flat[i + 1] ?? '']] : [])))
  }
  return {
    time,
    gateway,
    keyspace,
    idOf: (name: AccountName) => ids.get(name) ?? '',
    keyOf: (name: KeyName) => keys.get(name) ?? { id: '', key: '' },
    health: () => rows(keyspace.health('claude-console')),
    load: () => rows(keyspace.load('claude-console')),
    rows,
    close: gateway.close,
  }
}
