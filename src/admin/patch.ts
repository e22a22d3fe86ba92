/** Partial edits: which fields an edit may name, what it changes, and when it conflicts with another. */
import { z } from '@hono/zod-openapi'
import type { Stored } from '../catalog/stored-records.ts'
import { GatewayError } from '../errors.ts'

type Patched<Field> = Field extends z.ZodDefault<infer Inner> ? Inner : Field
type PatchShape<Shape> = {
  [Name in keyof Shape]: z.ZodExactOptional<Patched<Shape[Name]> & z.core.SomeType>
}

/** The same fields, none of them required and none with a default: what is not given stays. */
export function patchOf<Shape extends z.ZodRawShape>(
  settings: z.ZodObject<Shape>,
): z.ZodObject<PatchShape<Shape>, z.core.$strict> {
  const fields = Object.entries<z.core.SomeType>(settings.shape).map(([name, field]) => [
    name,
    z.exactOptional(field instanceof z.ZodDefault ? field.unwrap() : field),
  ])
  return z.strictObject(Object.fromEntries(fields) as PatchShape<Shape>)
}

/** What an edit was made from; without either field it applies to any state of the record. */
export interface Precondition {
  /** Revisions of which the record must have one. */
  revisions?: number[] | undefined
  /** RFC 3339; the record must have been written then. */
  updatedAt?: string | undefined
}

/** @throws GatewayError `conflict` when the record is not the one that the edit was made from. */
export function checkPrecondition(
  { record, revision }: Stored<{ updatedAt: string }>,
  { revisions, updatedAt }: Precondition,
): void {
  const isRevision = revisions === undefined || revisions.includes(revision)
  const isTime = updatedAt === undefined || Date.parse(updatedAt) === Date.parse(record.updatedAt)
  if (!isRevision || !isTime) throw changedMeanwhile()
}

export const changedMeanwhile = () =>
  new GatewayError('conflict', 'The record was changed meanwhile; read it and try again')

/** The time of a write: now, but later than the last one, so that no two share their `updatedAt`. */
export function nextUpdatedAt(record: { updatedAt: string }, nowMs: number): string {
  return new Date(Math.max(nowMs, Date.parse(record.updatedAt) + 1)).toISOString()
}

/** The fields that differ, as they were and as they are; undefined when none does. */
export function differences<T extends object>(
  before: T,
  after: T,
): { before: Partial<T>; after: Partial<T> } | undefined {
  const old = new Map<string, unknown>(Object.entries(before))
  const names = Object.entries(after)
    .filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(old.get(name)))
    .map(([name]) => name)
  if (names.length === 0) return undefined
  const pick = (record: T) =>
    Object.fromEntries(
      Object.entries(record).filter(([name]) => names.includes(name)),
    ) as Partial<T>
  return { before: pick(before), after: pick(after) }
}

/** How often an edit is tried while other edits are written first. */
const maxTries = 5

/**
 * Repeats an edit that was made from a record which changed before it was written.
 * @param edit reads, decides and writes; undefined: another write came first.
 * @throws GatewayError `conflict` when another write came first every time.
 */
export async function retryConflicts<T>(edit: () => Promise<T | undefined>): Promise<T> {
  for (let tries = 0; tries < maxTries; tries++) {
    const result = await edit()
    if (result !== undefined) return result
  }
  throw changedMeanwhile()
}
