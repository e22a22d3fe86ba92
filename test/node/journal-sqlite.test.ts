/** The journal of version 0.1, which was an SQLite file. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openJournal } from '../../src/node/journal.ts'
import { eventually } from '../support/wait.ts'

let directory: string
const path = () => join(directory, 'journal.log')
const oldPath = () => join(directory, 'journal.sqlite')

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'journal-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

function openOld(): DatabaseSync {
  const database = new DatabaseSync(oldPath())
  database.exec(`
    PRAGMA journal_mode = WAL;
    CREATE TABLE IF NOT EXISTS settlements (
      ledgerId TEXT PRIMARY KEY, payload TEXT NOT NULL, createdAtMs INTEGER NOT NULL
    ) WITHOUT ROWID;
  `)
  return database
}

function fillOld(rows: [string, string | Uint8Array, number | string][]): void {
  const database = openOld()
  const insert = database.prepare('INSERT INTO settlements VALUES (?, ?, ?)')
  for (const row of rows) insert.run(...row)
  database.close()
}

describe('the journal of an older version', () => {
  it('is taken over by the new one, and removed once that has it on disk', async () => {
    fillOld([
      ['b', '2', 20],
      ['a', '1', 10],
    ])
    const journal = openJournal(path())
    const both = [
      { ledgerId: 'a', payload: '1', createdAtMs: 10 },
      { ledgerId: 'b', payload: '2', createdAtMs: 20 },
    ]
    expect(journal.pending()).toEqual(both)
    await eventually(() => expect(existsSync(oldPath())).toBe(false))
    journal.remove('a')
    await journal.close()
    expect(readdirSync(directory).filter((name) => name.includes('sqlite'))).toEqual([])
    const again = openJournal(path())
    expect(again.damage).toBeUndefined()
    expect(again.pending()).toEqual(both.slice(1))
    await again.close()
  })

  it('is taken over when it is empty', async () => {
    fillOld([])
    const journal = openJournal(path())
    await eventually(() => expect(existsSync(oldPath())).toBe(false))
    expect(journal.pending()).toEqual([])
    await journal.close()
  })

  it('is left alone while the older version still runs', async () => {
    const running = openOld()
    running.exec("INSERT INTO settlements VALUES ('a', '1', 10)")
    expect(() => openJournal(path())).toThrow(/^DATA_DIR: .*journal\.sqlite is in use/)
    running.exec("INSERT INTO settlements VALUES ('b', '2', 20)")
    running.close()
    const journal = openJournal(path())
    expect(journal.pending()).toHaveLength(2)
    await journal.close()
  })

  it('hands out a row that holds no text without a payload, and is kept under another name', async () => {
    fillOld([
      ['a', '1', 10],
      ['blob', new Uint8Array([255, 0, 1]), 20],
      ['ageless', '2', 'yesterday'],
    ])
    const journal = openJournal(path())
    const found = new Map(journal.pending().map(({ ledgerId, payload }) => [ledgerId, payload]))
    expect(found).toEqual(
      new Map([
        ['a', '1'],
        ['blob', undefined],
        ['ageless', undefined],
      ]),
    )
    expect(journal.damage?.rescued).toBe(1)
    await journal.close()
    expect(existsSync(journal.damage?.setAside ?? '')).toBe(true)
    expect(existsSync(oldPath())).toBe(false)
    const again = openJournal(path())
    expect(again.pending()).toHaveLength(1)
    await again.close()
  })

  it('that is no database any more is kept under another name', async () => {
    writeFileSync(oldPath(), 'this was a database once, '.repeat(400))
    const journal = openJournal(path())
    expect(journal.damage?.rescued).toBe(0)
    await journal.close()
    expect(readFileSync(journal.damage?.setAside ?? '', 'utf8')).toContain('was a database once')
  })

  it('with a bad page gives what stands on the other pages to the new one', async () => {
    const names = Array.from({ length: 40 }, (_, i) => `entry-${String(i).padStart(2, '0')}`)
    fillOld(names.map((name) => [name, 'x'.repeat(700), 10]))
    const bytes = readFileSync(oldPath())
    const pageBytes = bytes.readUInt16BE(16)
    // A page in the middle: the first two are the header and the root.
    bytes.fill(0xee, 5 * pageBytes, 6 * pageBytes)
    writeFileSync(oldPath(), bytes)
    const journal = openJournal(path())
    const rescued = journal.pending()
    expect(journal.damage?.rescued).toBe(rescued.length)
    expect(rescued.length).toBeGreaterThan(30)
    expect(rescued.length).toBeLessThan(40)
    await journal.close()
  })
})
