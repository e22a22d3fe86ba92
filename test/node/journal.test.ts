import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  constants,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openJournal } from '../../src/node/journal.ts'
import { openJournalFile } from '../../src/node/journal-file.ts'
import { createManualClock } from '../support/manual-clock.ts'
import { runs } from '../support/property.ts'
import { eventually } from '../support/wait.ts'

let directory: string
const path = () => join(directory, 'journal.log')

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'journal-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

/** What a process would find that starts while the journal is open, or after a crash. */
const onDisk = () => [...openJournalFile(path(), 0).entries.values()]
const idsOnDisk = () => onDisk().map(({ ledgerId }) => ledgerId)

/** Opens the file on a disk that can be full. */
function onDiskThat(state: { isFull: boolean }): typeof openJournalFile {
  return (...args) => {
    const file = openJournalFile(...args)
    const full = () => Promise.reject(new Error('no space left'))
    return {
      ...file,
      append: (lines) => (state.isFull ? full() : file.append(lines)),
      rewrite: (entries) => (state.isFull ? full() : file.rewrite(entries)),
    }
  }
}

describe('the journal of settlements', () => {
  it('has what was put on disk once the promise resolves, oldest first', async () => {
    const journal = openJournal(path())
    await Promise.all([journal.put('b', '2', 20), journal.put('a', '1', 10)])
    expect(idsOnDisk().sort()).toEqual(['a', 'b'])
    // No close: the next process comes after a crash.
    expect(journal.pending()).toEqual([
      { ledgerId: 'a', payload: '1', createdAtMs: 10 },
      { ledgerId: 'b', payload: '2', createdAtMs: 20 },
    ])
    await journal.close()
    const again = openJournal(path())
    expect(again.pending()).toEqual([
      { ledgerId: 'a', payload: '1', createdAtMs: 10 },
      { ledgerId: 'b', payload: '2', createdAtMs: 20 },
    ])
    expect(again.get('b')).toBe('2')
    expect(again.get('c')).toBeUndefined()
    await again.close()
  })

  it('keeps every kind of text', async () => {
    const texts = ['', 'a\nb\r\n', '\0', '"{}\\', 'ü😀', '\u2028', 'put","x']
    const journal = openJournal(path())
    await Promise.all(texts.map((text, index) => journal.put(`id ${text}`, text, index)))
    await journal.close()
    const again = openJournal(path())
    expect(again.damage).toBeUndefined()
    expect(again.pending().map(({ payload }) => payload)).toEqual(texts)
    for (const text of texts) expect(again.get(`id ${text}`)).toBe(text)
    await again.close()
  })

  it('writes once what is put in one turn of the event loop', async () => {
    let writes = 0
    const journal = openJournal(path(), undefined, (...args) => {
      const file = openJournalFile(...args)
      const append = (lines: string) => {
        writes++
        return file.append(lines)
      }
      return { ...file, append }
    })
    await Promise.all(Array.from({ length: 50 }, (_, index) => journal.put(`${index}`, 'x', index)))
    expect(writes).toBe(1)
    await journal.close()
  })

  it('deletes what was removed, whether or not it was on disk already', async () => {
    const journal = openJournal(path())
    await journal.put('a', '1', 10)
    journal.remove('a')
    const soon = journal.put('b', '2', 20)
    journal.remove('b')
    await soon
    expect(journal.pending()).toEqual([])
    await journal.close()
    const again = openJournal(path())
    expect(again.pending()).toEqual([])
    await again.close()
  })

  it('keeps a settlement that is put again after it was removed', async () => {
    const journal = openJournal(path())
    await journal.put('a', '1', 10)
    journal.remove('a')
    await journal.put('a', '2', 20)
    expect(journal.get('a')).toBe('2')
    await journal.close()
    expect(onDisk()).toEqual([{ ledgerId: 'a', payload: '2', createdAtMs: 20 }])
  })

  it('forgets one that was put again and removed before it was written', async () => {
    const journal = openJournal(path())
    await journal.put('a', '1', 10)
    const again = journal.put('a', '2', 20)
    journal.remove('a')
    await again
    await journal.close()
    expect(onDisk()).toEqual([])
  })

  it('deletes later what a full disk does not let it delete now', async () => {
    const clock = createManualClock()
    const disk = { isFull: false }
    const journal = openJournal(path(), clock, onDiskThat(disk))
    await journal.put('a', '1', 10)
    disk.isFull = true
    journal.remove('a')
    clock.advance(1_000)
    await eventually(() => expect(clock.pending()).toBe(1))
    expect(idsOnDisk()).toEqual(['a'])
    disk.isFull = false
    clock.advance(1_000)
    await eventually(() => expect(idsOnDisk()).toEqual([]))
    await journal.close()
  })

  it('removes from disk within a second what was confirmed, and then sets no more timers', async () => {
    const clock = createManualClock()
    const journal = openJournal(path(), clock)
    await journal.put('a', '1', 10)
    journal.remove('a')
    expect(idsOnDisk()).toEqual(['a'])
    clock.advance(1_000)
    await eventually(() => expect(idsOnDisk()).toEqual([]))
    expect(clock.pending()).toBe(0)
    await journal.close()
  })

  it('rejects when the disk refuses, and goes on with the next one', async () => {
    const disk = { isFull: true }
    const journal = openJournal(path(), undefined, onDiskThat(disk))
    await expect(journal.put('a', '1', 10)).rejects.toThrow('no space left')
    expect(journal.get('a')).toBeUndefined()
    disk.isFull = false
    await journal.put('b', '2', 20)
    expect(journal.pending()).toHaveLength(1)
    await journal.close()
    expect(idsOnDisk()).toEqual(['b'])
  })

  it('belongs to one process: another one is refused with the setting at fault', async () => {
    const journal = openJournal(path())
    expect(() => openJournal(path())).toThrow(/^DATA_DIR: .*journal\.log\.lock is in use/)
    await journal.close()
    await openJournal(path()).close()
  })

  it('stays small, and keeps what waits, however much passes through it', async () => {
    const journal = openJournal(path())
    await journal.put('first', 'waits', 1)
    let largest = 0
    for (let round = 0; round < 60; round++) {
      const ids = Array.from({ length: 50 }, (_, index) => `${round}-${index}`)
      await Promise.all(ids.map((id) => journal.put(id, 'x'.repeat(1_000), 2)))
      for (const id of ids) journal.remove(id)
      largest = Math.max(largest, statSync(path()).size)
    }
    await journal.put('last', 'waits', 3)
    expect(largest).toBeLessThan(1.5 * 1024 * 1024)
    await journal.close()
    expect(idsOnDisk()).toEqual(['first', 'last'])
  })
})

describe('the disk under the journal', () => {
  it.runIf(process.platform === 'linux')(
    'has what is written before the write returns: it is opened for synchronous writes',
    async () => {
      const journal = openJournal(path())
      await journal.put('a', '1', 10)
      const descriptors = readdirSync('/proc/self/fd').filter((name) => {
        try {
          return readlinkSync(`/proc/self/fd/${name}`) === path()
        } catch {
          return false
        }
      })
      expect(descriptors).toHaveLength(1)
      const info = readFileSync(`/proc/self/fdinfo/${descriptors[0]}`, 'utf8')
      const flags = Number.parseInt(/^flags:\s*(\d+)/m.exec(info)?.[1] ?? '', 8)
      expect(flags & constants.O_DSYNC).toBe(constants.O_DSYNC)
      await journal.close()
    },
  )

  it('has every settlement that was said to be durable, when the process is killed in a burst', async () => {
    const writer = join(import.meta.dirname, 'journal-writer.ts')
    const durable: string[] = []
    for (const [round, delayMs] of [20, 20 + Math.random() * 60].entries()) {
      const child = spawn(process.execPath, [writer, path(), `round-${round}`], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const ended = Promise.all([once(child, 'exit'), once(child.stdout, 'close')])
      let output = ''
      child.stdout.on('data', (chunk) => {
        output += String(chunk)
      })
      await once(child.stdout, 'data')
      await delay(delayMs)
      child.kill('SIGKILL')
      await ended
      // The last line may have been cut off.
      durable.push(...output.split('\n').slice(0, -1))
      const journal = openJournal(path())
      const kept = new Set(journal.pending().map(({ ledgerId }) => ledgerId))
      expect(journal.damage).toBeUndefined()
      expect(durable.length).toBeGreaterThan(0)
      expect(durable.filter((ledgerId) => !kept.has(ledgerId))).toEqual([])
      await journal.close()
    }
  })
})

describe('a damaged journal', () => {
  const entries = Array.from({ length: 20 }, (_, index) => ({
    ledgerId: `entry-${index}`,
    payload: `{"number":${index}}`,
    createdAtMs: index,
  }))

  async function fill(): Promise<Buffer> {
    const journal = openJournal(path())
    for (const { ledgerId, payload, createdAtMs } of entries) {
      await journal.put(ledgerId, payload, createdAtMs)
    }
    await journal.close()
    return readFileSync(path())
  }

  it('loses nothing but an unfinished last line, wherever a crash cut it', async () => {
    const bytes = await fill()
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: bytes.length }), async (length) => {
        writeFileSync(path(), bytes.subarray(0, length))
        const whole = bytes.subarray(0, length).toString().split('\n').length - 2
        const journal = openJournal(path())
        expect(journal.damage).toBeUndefined()
        expect(journal.pending()).toEqual(entries.slice(0, Math.max(0, whole)))
        await journal.put('next', 'n', 99)
        await journal.close()
        expect(onDisk()).toHaveLength(Math.max(0, whole) + 1)
      }),
      runs(30),
    )
  })

  it('hands out a damaged line without a payload, once, and every other line whole', async () => {
    const bytes = await fill()
    const firstLine = bytes.indexOf('\n') + 1
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: firstLine, max: bytes.length - 2 }),
        fc.integer({ min: 1, max: 255 }),
        async (at, flip) => {
          const damaged = Buffer.from(bytes)
          damaged[at] = (damaged[at] ?? 0) ^ flip
          writeFileSync(path(), damaged)
          const journal = openJournal(path(), createManualClock())
          const found = journal.pending()
          const whole = found.filter(({ payload }) => payload !== undefined)
          // A flipped line break joins two lines, and one line may be cut in two.
          expect(whole.length).toBeGreaterThanOrEqual(entries.length - 2)
          for (const entry of whole) expect(entries).toContainEqual(entry)
          expect(found.length).toBeGreaterThan(whole.length)
          expect(journal.damage?.rescued).toBe(whole.length)
          expect(statSync(journal.damage?.setAside ?? '').size).toBeGreaterThan(0)
          await journal.close()
          const again = openJournal(path())
          expect(again.damage).toBeUndefined()
          expect(again.pending()).toEqual(whole)
          await again.close()
        },
      ),
      runs(30),
    )
  })

  it('names the request of a damaged line where it can be made out', async () => {
    const bytes = await fill()
    writeFileSync(path(), bytes.toString().replace('"number\\":7', '"number\\":8'))
    const journal = openJournal(path())
    const [unreadable] = journal.pending()
    expect(unreadable).toEqual({ ledgerId: 'entry-7', payload: undefined, createdAtMs: 0 })
    expect(journal.get('entry-7')).toBeUndefined()
    await journal.close()
  })

  it('that is no journal any more is kept beside it, and a new one begun', async () => {
    writeFileSync(path(), 'this was a journal once\n'.repeat(400))
    const journal = openJournal(path(), createManualClock())
    expect(journal.damage?.rescued).toBe(0)
    expect(readFileSync(journal.damage?.setAside ?? '', 'utf8')).toContain('was a journal once')
    await journal.put('a', '1', 10)
    await journal.close()
    const again = openJournal(path())
    expect(again.damage).toBeUndefined()
    expect(again.get('a')).toBe('1')
    await again.close()
  })

  it('of a newer version is refused, and left as it is', async () => {
    writeFileSync(path(), '54ceda03 ["journal",2]\n')
    const before = readFileSync(path())
    expect(() => openJournal(path())).toThrow('format 2')
    expect(readFileSync(path())).toEqual(before)
    expect(readdirSync(directory).filter((name) => name.includes('damaged'))).toEqual([])
  })
})
