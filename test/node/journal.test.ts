import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openJournal } from '../../src/node/journal.ts'
import { openJournalFile } from '../../src/node/journal-file.ts'
import { createManualClock } from '../support/manual-clock.ts'

let directory: string
const path = () => join(directory, 'journal.sqlite')

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'journal-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

describe('the journal of settlements', () => {
  it('has what was put on disk once the promise resolves, oldest first', async () => {
    const journal = openJournal(path())
    await Promise.all([journal.put('b', '2', 20), journal.put('a', '1', 10)])
    const other = openJournal(path())
    expect(other.pending()).toEqual([
      { ledgerId: 'a', payload: '1', createdAtMs: 10 },
      { ledgerId: 'b', payload: '2', createdAtMs: 20 },
    ])
    expect(other.get('b')).toBe('2')
    expect(other.get('c')).toBeUndefined()
    other.close()
    journal.close()
  })

  it('deletes what was removed, whether or not it was on disk already', async () => {
    const journal = openJournal(path())
    await journal.put('a', '1', 10)
    journal.remove('a')
    const soon = journal.put('b', '2', 20)
    journal.remove('b')
    await soon
    expect(journal.pending()).toEqual([])
    journal.close()
    const again = openJournal(path())
    expect(again.pending()).toEqual([])
    again.close()
  })

  it('keeps a settlement that is put again after it was removed', async () => {
    const journal = openJournal(path())
    await journal.put('a', '1', 10)
    journal.remove('a')
    await journal.put('a', '2', 20)
    expect(journal.get('a')).toBe('2')
    journal.close()
  })

  it('deletes later what a locked disk does not let it delete now', async () => {
    const clock = createManualClock()
    const journal = openJournal(path(), clock)
    await journal.put('a', '1', 10)
    const other = new DatabaseSync(path())
    other.exec('BEGIN IMMEDIATE')
    journal.remove('a')
    clock.advance(1_000)
    other.exec('COMMIT')
    const onDisk = () => other.prepare('SELECT ledgerId FROM settlements').all()
    expect(onDisk()).toHaveLength(1)
    clock.advance(1_000)
    expect(onDisk()).toHaveLength(0)
    other.close()
    journal.close()
  })

  it('removes from disk within a second what was confirmed, and then sets no more timers', async () => {
    const clock = createManualClock()
    const journal = openJournal(path(), clock)
    await journal.put('a', '1', 10)
    journal.remove('a')
    const other = openJournal(path())
    expect(other.pending()).toHaveLength(1)
    clock.advance(1_000)
    expect(other.pending()).toHaveLength(0)
    expect(clock.pending()).toBe(0)
    other.close()
    journal.close()
  })

  it('rejects when the disk refuses, and goes on with the next one', async () => {
    const journal = openJournal(path())
    const refused = journal.put('a', null as unknown as string, 10)
    await expect(refused).rejects.toThrow()
    await journal.put('b', '2', 20)
    expect(journal.pending()).toHaveLength(1)
    journal.close()
  })

  it('tells the one who put a settlement that it was not written, whoever reads meanwhile', async () => {
    const journal = openJournal(path())
    const refused = journal.put('a', null as unknown as string, 10)
    journal.get('b')
    journal.pending()
    await expect(refused).rejects.toThrow()
    journal.close()
  })

  it('syncs each commit with the disk before it says that a settlement is durable', () => {
    const journal = openJournalFile(path(), 0).database
    expect(journal.prepare('PRAGMA synchronous').get()).toEqual({ synchronous: 2 })
    journal.close()
  })
})

describe('a damaged journal', () => {
  it('hands out a row that holds no text without a payload, and every other row whole', async () => {
    const journal = openJournal(path())
    await journal.put('a', '1', 10)
    const other = new DatabaseSync(path())
    const insert = other.prepare('INSERT INTO settlements VALUES (?, ?, ?)')
    insert.run('blob', new Uint8Array([255, 0, 1]), 20)
    insert.run('ageless', '2', 'yesterday')
    insert.run('ancient', '3', 2n ** 62n)
    other.close()
    await journal.put('z', '4', 30)
    const found = new Map(journal.pending().map(({ ledgerId, payload }) => [ledgerId, payload]))
    expect(found.get('a')).toBe('1')
    expect(found.get('z')).toBe('4')
    expect(found.get('blob')).toBeUndefined()
    expect(found.get('ageless')).toBeUndefined()
    expect(journal.get('blob')).toBeUndefined()
    expect(found.size).toBe(5)
    journal.close()
  })

  it('that is no database any more is kept under another name, and a new one begun', async () => {
    writeFileSync(path(), 'this was a database once, '.repeat(400))
    const journal = openJournal(path(), createManualClock())
    expect(journal.damage?.rescued).toBe(0)
    expect(readFileSync(journal.damage?.setAside ?? '', 'utf8')).toContain('was a database once')
    await journal.put('a', '1', 10)
    journal.close()
    const again = openJournal(path())
    expect(again.damage).toBeUndefined()
    expect(again.get('a')).toBe('1')
    again.close()
  })

  it('with a bad page gives what stands on the other pages to a new file', async () => {
    const journal = openJournal(path())
    const names = Array.from({ length: 40 }, (_, i) => `entry-${String(i).padStart(2, '0')}`)
    for (const name of names) await journal.put(name, 'x'.repeat(700), 10)
    journal.close()
    const bytes = readFileSync(path())
    const pageBytes = bytes.readUInt16BE(16)
    // A page in the middle: the first two are the header and the root.
    bytes.fill(0xee, 5 * pageBytes, 6 * pageBytes)
    writeFileSync(path(), bytes)
    const again = openJournal(path())
    const rescued = again.pending()
    expect(again.damage?.rescued).toBe(rescued.length)
    expect(rescued.length).toBeGreaterThan(30)
    expect(rescued.length).toBeLessThan(40)
    expect(readdirSync(directory).some((name) => name.includes('.damaged-'))).toBe(true)
    again.close()
  })
})
