/** The verb that reads the audit trail. */
import type { Actor } from '../../domain/actor.ts'
import type { Gateway } from '../../gateway.ts'
import { parseJson } from '../../json.ts'
import type { Page, PageRequest } from '../page.ts'
import { requirePermission } from '../permissions.ts'
import { AuditEntry } from './entry.ts'

/** Which entries a list shows; a field that is undefined excludes none. */
export type AuditFilter = {
  [Name in 'actor' | 'action' | 'targetId']?: string | undefined
}

/** Entries that one page reads, in steps of `readSize`, so that a rare match cannot keep it busy for long. */
const readSize = 500
const maxReads = 8

/**
 * Lists the trail, newest first; the cursor is the id of the last entry of the page before. A page with
 * a filter may be short although more follow.
 * @throws GatewayError `not_permitted`
 */
export async function listAudit(
  gateway: Gateway,
  { actor, filter = {}, ...request }: PageRequest & { actor: Actor; filter?: AuditFilter },
): Promise<Page<AuditEntry>> {
  requirePermission(actor, 'audit:read')
  const wanted = Object.values(filter).filter((value) => value !== undefined)
  if (wanted.length === 0) return readTrail(gateway, request)
  const { cursor: from, limit } = request
  const data: AuditEntry[] = []
  let cursor = from
  for (let reads = 0; reads < maxReads; reads++) {
    const page = await readTrail(gateway, { cursor, limit: readSize })
    for (const entry of page.data.filter((one) => fits(one, filter))) {
      // One more than fits tells whether another page follows.
      if (data.length === limit) return { data, nextCursor: data.at(-1)?.id ?? null }
      data.push(entry)
    }
    if (page.nextCursor === null) return { data, nextCursor: null }
    cursor = page.nextCursor
  }
  return { data, nextCursor: cursor ?? null }
}

const fits = (entry: AuditEntry, { actor, action, targetId }: AuditFilter): boolean =>
  (actor === undefined || entry.actor === actor) &&
  (action === undefined || entry.action === action) &&
  (targetId === undefined || entry.targetId === targetId)

async function readTrail(
  { runtime, keyspace }: Gateway,
  { cursor, limit }: PageRequest,
): Promise<Page<AuditEntry>> {
  const from = cursor === undefined ? '+' : (`(${cursor}` as const)
  const options = { byLex: true, rev: true, offset: 0, count: limit + 1 } as const
  const members = await runtime.redis.zrange<string[]>(keyspace.audit, from, '-', options)
  // A damaged entry hides no other.
  const data = members.slice(0, limit).flatMap((member) => {
    const entry = AuditEntry.safeParse(parseJson(member.slice(idOf(member).length + 1)))
    return entry.success ? [entry.data] : []
  })
  return { data, nextCursor: members.length > limit ? idOf(members[limit - 1] ?? '') : null }
}

/** The id that a member begins with. */
const idOf = (member: string) => member.slice(0, Math.max(0, member.indexOf(' ')))
