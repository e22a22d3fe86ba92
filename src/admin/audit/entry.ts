/** Entries of the audit trail: who changed what, when, from what, to what; never a secret. */
import { v7 as uuidv7 } from 'uuid'
import { z } from 'zod'
import type { Gateway } from '../../gateway.ts'

/** What is shown of a record: any JSON object without digests, sealed texts and password hashes. */
const Facts = z.record(z.string(), z.unknown()).nullable()

export const AuditEntry = z.object({
  id: z.string(),
  /** RFC 3339. */
  at: z.string(),
  /** The username of the administrator. */
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

function withoutSecrets(facts: AuditEntry['before']): AuditEntry['before'] {
  if (facts === null) return null
  return Object.fromEntries(Object.entries(facts).filter(([name]) => !secretFields.has(name)))
}
