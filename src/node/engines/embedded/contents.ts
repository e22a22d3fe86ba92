/** The contents of keys in memory, and the text that small ones are kept as on disk. */
import { SortedSet } from './sorted-set.ts'

export type Hash = Map<string, string>

/** What a key holds: a string, a hash or a sorted set. */
export type Contents = string | Hash | SortedSet

export const STRING = 1
export const HASH = 2
export const ZSET = 3

/** The number of a type in the file. */
export function typeOf(contents: Contents): number {
  if (typeof contents === 'string') return STRING
  return contents instanceof SortedSet ? ZSET : HASH
}

/** How many characters a field and its value take. */
export const fieldSize = (field: string, value: string) => field.length + value.length

/** How many characters a member and its score take; a score counts like a short text. */
export const memberSize = (member: string) => member.length + 8

/** The characters in the contents, without what the form around them takes. */
export function sizeOf(contents: Contents): number {
  if (typeof contents === 'string') return contents.length
  let size = 0
  if (contents instanceof SortedSet) {
    for (const { member } of contents.items) size += memberSize(member)
  } else for (const [field, value] of contents) size += fieldSize(field, value)
  return size
}

/** A hash as `[field, value, …]`, a sorted set as `[member, score, …]`. */
export function packContents(contents: Hash | SortedSet): string {
  const flat: (string | number)[] = []
  if (contents instanceof SortedSet) {
    // JSON has no infinity, but its name as a text.
    for (const { member, score } of contents.items) {
      flat.push(member, Number.isFinite(score) ? score : String(score))
    }
  } else for (const [field, value] of contents) flat.push(field, value)
  return JSON.stringify(flat)
}

/** @throws Error where the text is not what `packContents` makes. */
export function unpackContents(type: number, text: string): Hash | SortedSet {
  const flat: unknown = JSON.parse(text)
  if (!Array.isArray(flat)) throw new Error('the contents of a key are damaged')
  const pairs = (count: number) => [String(flat[2 * count]), flat[2 * count + 1]] as const
  const all = Array.from({ length: flat.length / 2 }, (_, count) => pairs(count))
  return type === ZSET
    ? new SortedSet(all.map(([member, score]) => ({ member, score: Number(score) })))
    : new Map(all.map(([field, value]) => [field, String(value)]))
}
