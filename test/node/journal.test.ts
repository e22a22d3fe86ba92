import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openJournal } from '../../src/node/journal.ts'
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
})
