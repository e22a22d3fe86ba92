/**
 * Compresses texts that are much alike. Deflate finds little to repeat in one short text, but most of it
 * in another one of its kind: so one of them is kept in the file, as the dictionary of those that follow.
 */
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import type { Database } from './database.ts'

const DICTIONARY_SIZE = 3_000
/** Compressed to more than this share, a text is not much like the dictionary. */
const POOR = 0.35
/** After so many of those, the next one is added to the next dictionary; each takes longer than the last. */
const poorTextsBefore = (dictionaries: number) => (dictionaries === 0 ? 0 : 16 * 4 ** dictionaries)

// Small windows and tables: a context is made for every text, and the texts are short.
const OPTIONS = { level: 6, windowBits: 12, memLevel: 3 }

export interface Compression {
  /** Inside a transaction: it may make a dictionary. */
  compress(text: string): Uint8Array
  /** @throws Error where the bytes are damaged. */
  expand(bytes: Uint8Array): string
  /** Forgets dictionaries that may not have reached the disk. */
  discard(): void
}

export function createCompression({ sql }: Pick<Database, 'sql'>): Compression {
  const select = sql<[string]>('SELECT text FROM dictionaries ORDER BY id')
  const insert = sql('INSERT INTO dictionaries (id, text) VALUES (?, ?)')
  let known: Buffer[] | undefined
  let poorTexts = 0

  function dictionaries(): Buffer[] {
    known ??= select.all().map(([text]) => Buffer.from(text))
    return known
  }

  function addDictionary(text: string) {
    const last = dictionaries().at(-1)?.toString() ?? ''
    const next = (last + text).slice(-DICTIONARY_SIZE).toWellFormed()
    insert.run(dictionaries().length, next)
    dictionaries().push(Buffer.from(next))
    poorTexts = 0
  }

  return {
    compress(text) {
      if (poorTexts >= poorTextsBefore(dictionaries().length)) addDictionary(text)
      const id = dictionaries().length - 1
      const dictionary = dictionaries()[id]
      const bytes = deflateRawSync(text, { ...OPTIONS, dictionary })
      if (bytes.length > POOR * text.length) poorTexts++
      return Buffer.concat([Buffer.of(id), bytes])
    },
    expand(bytes) {
      const dictionary = dictionaries()[bytes[0] ?? 0]
      return inflateRawSync(bytes.subarray(1), { ...OPTIONS, dictionary }).toString()
    },
    discard() {
      known = undefined
    },
  }
}
