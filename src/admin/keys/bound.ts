/** Finds the gateway keys that depend on an account. */
import type { ApiKey } from '../../catalog/api-key.ts'
import { maxChunk, walkApiKeys } from '../../catalog/read-api-keys.ts'
import type { Gateway } from '../../gateway.ts'

/** The keys, without deleted ones, that only this account may serve. */
export async function keysBoundTo(gateway: Gateway, accountId: string): Promise<ApiKey[]> {
  const bound: ApiKey[] = []
  for await (const record of walkApiKeys(gateway, { newestFirst: true, chunk: maxChunk })) {
    const ids = gateway.platforms.all.map(({ boundAccountField }) => record[boundAccountField])
    if (!record.isDeleted && ids.includes(accountId)) bound.push(record)
  }
  return bound
}
