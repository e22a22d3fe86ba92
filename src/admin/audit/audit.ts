/** The audit trail of administration: who changed what, when, from what, to what; never a secret. */
import { v7 as uuidv7 } from 'uuid'
import { z } from 'zod'
import type { Gateway } from '../../gateway.ts'
import type { Page, PageRequest } from '../page.ts'

/** What is shown of a record: any JSON object without digests, sealed texts and password hashes. */
const Facts = z.record(z.string(), z.unknown()).nullable()

export const AuditEntry = z.object({
  id: z.string(),
  /** RFC 3339. */
  at: z.string(),
  /** Name of the administrator. */
  actor: z.string(),
  /** Stable word such as `api_key.updated`. */
  action: z.string(),
  targetId: z.string(),
  before: Facts,
  after: Facts,
})
export type AuditEntry = z.infer<typeof AuditEntry>

/** Fields that no audit entry may hold, whatever record it is made from. */
const secretFields = new Set(['digest', 'apiKey', 'sealedApiKey', 'passwordHash', 'password'])

/** An entry as the scripts append it: a time-ordered id, a space, JSON. */
export function packAuditEntry(
  gateway: Pick<Gateway, 'runtime'>,
  change: Omit<AuditEntry, 'id' | 'at'>,
): string {
  const nowMs = gateway.runtime.now()
  const id = uuidv7({ msecs: nowMs })
  const entry: AuditEntry = {
    ...change,
    id,
    at: new Date(nowMs).toISOString(),
    before: withoutSecrets(change.before),
    after: withoutSecrets(change.after),
  }
  return `${id} ${JSON.stringify(entry)}`
}

/** Lists the trail, newest first; the cursor is the id of the last entry of the page before. */
export async function listAudit(
  { runtime, keyspace }: Gateway,
  { cursor, limit }: PageRequest,
): Promise<Page<AuditEntry>> {
  const from = cursor === undefined ? '+' : (`(${cursor}` as const)
  const options = { byLex: true, rev: true, offset: 0, count: limit + 1 } as const
  const members = await runtime.redis.zrange<string[]>(keyspace.audit, from, '-', options)
  const data = members
    .slice(0, limit)
    .map((member) => AuditEntry.parse(JSON.parse(member.slice(member.indexOf(' ') + 1))))
  return { data, nextCursor: members.length > limit ? (data.at(-1)?.id ?? null) : null }
}

function withoutSecrets(facts: AuditEntry['before']): AuditEntry['before'] {
  if (facts === null) return null
  return Object.fromEntries(Object.entries(facts).filter(([name]) => !secretFields.has(name)))
}
