/** The lines of the settlement journal: one record each, with a checksum in front of it. */
import { crc32 } from 'node:zlib'
import type { JournalEntry } from '../runtime.ts'

/** An entry whose payload can be read. */
export interface WholeEntry extends JournalEntry {
  payload: string
}

/** What a line says: an entry was put, or the entries with these ids were confirmed. */
export type JournalRecord = { put: WholeEntry } | { confirmed: string[] }

type Written = ['put', string, number, string] | ['confirmed', ...string[]] | ['journal', number]

const format = 1

const checksum = (text: string) => crc32(text).toString(16).padStart(8, '0')

function line(record: Written): string {
  const text = JSON.stringify(record)
  return `${checksum(text)} ${text}\n`
}

/** The first line of every journal. */
export const headLine = line(['journal', format])

/** The line that puts an entry. */
export const putLine = ({ ledgerId, createdAtMs, payload }: WholeEntry) =>
  line(['put', ledgerId, createdAtMs, payload])

/** The line that says of entries that they are not needed any more. */
export const confirmedLine = (ledgerIds: string[]) => line(['confirmed', ...ledgerIds])

/**
 * Reads a line, without its end.
 * @returns undefined where it is damaged, and null for the first line.
 * @throws Error where a newer version has written the journal.
 */
export function readLine(text: string): JournalRecord | null | undefined {
  const json = text.slice(9)
  if (text.slice(0, 9) !== `${checksum(json)} `) return undefined
  // What has the right checksum is what was written.
  const [kind, ...rest] = JSON.parse(json) as Written
  if (kind === 'put') {
    const [ledgerId, createdAtMs, payload] = rest as [string, number, string]
    return { put: { ledgerId, createdAtMs, payload } }
  }
  if (kind === 'confirmed') return { confirmed: rest as string[] }
  if (rest[0] !== format) throw new Error(`the journal has format ${rest[0]}, not ${format}`)
  return null
}

/** The id in a damaged line, as far as it can be made out. */
export function idInDamagedLine(text: string): string {
  return /"put","([^"\\]{1,200})"/.exec(text)?.[1] ?? 'unknown'
}
