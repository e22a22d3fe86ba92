/** Files of other versions of the embedded engine. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createEmbeddedEngine } from '../../src/node/engines/embedded/engine.ts'
import { check, result } from './steps.ts'

let directory = ''
const path = () => join(directory, 'store.sqlite')

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'format-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

/** The tables of version 0.1, which said nothing of their format. */
const FORMAT_1 = `
  PRAGMA page_size = 2048;
  PRAGMA journal_mode = WAL;
  CREATE TABLE IF NOT EXISTS keys (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    type INTEGER NOT NULL,
    expires_at INTEGER,
    value TEXT
  ) STRICT;
  CREATE INDEX IF NOT EXISTS keys_by_expiry ON keys (expires_at) WHERE expires_at IS NOT NULL;
  CREATE TABLE IF NOT EXISTS fields (
    id INTEGER NOT NULL,
    field TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (id, field)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS members (
    id INTEGER NOT NULL,
    member TEXT NOT NULL,
    score REAL NOT NULL,
    PRIMARY KEY (id, member)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS members_by_score ON members (id, score, member);
  CREATE TRIGGER IF NOT EXISTS keys_contents AFTER DELETE ON keys WHEN old.type <> 1 BEGIN
    DELETE FROM fields WHERE id = old.id;
    DELETE FROM members WHERE id = old.id;
  END;
`

function makeFormat1(): void {
  const database = new DatabaseSync(path())
  database.exec(FORMAT_1)
  database.exec(`
    INSERT INTO keys (id, key, type, expires_at, value) VALUES
      (1, 's', 1, NULL, 'text'), (2, 'h', 2, NULL, NULL), (3, 'z', 3, 5000, NULL), (4, 'big', 2, NULL, NULL);
    INSERT INTO fields VALUES (2, 'f', '1'), (2, 'g', '2');
    INSERT INTO members VALUES (3, 'm', 1.5), (3, 'n', 9e999);
  `)
  const insert = database.prepare('INSERT INTO fields VALUES (4, ?, ?)')
  for (let index = 0; index < 100; index++) insert.run(`field-${index}`, 'v'.repeat(100))
  database.close()
}

describe('a file of the first format', () => {
  it('is converted when it is opened, with all that it holds', async () => {
    makeFormat1()
    const engine = createEmbeddedEngine({ path: path(), now: () => 1_000 })
    await check(engine, [
      ['GET s', 'text'],
      ['HGETALL h', ['f', '1', 'g', '2']],
      ['ZRANGE z 0 -1 WITHSCORES', ['m', '1.5', 'n', 'inf']],
      ['PTTL z', 4_000],
      ['HINCRBY h f 1', 2],
      ['ZADD z 2 o', 1],
      ['HSET big field-7 new', 0],
    ])
    await engine.close()
    const again = createEmbeddedEngine({ path: path(), now: () => 1_000 })
    await check(again, [
      ['HGETALL h', ['f', '2', 'g', '2']],
      ['ZRANGE z 0 -1', ['m', 'o', 'n']],
      ['HGET big field-7', 'new'],
    ])
    expect(await result(again, 'HKEYS', 'big')).toHaveLength(100)
    await again.close()
    const file = new DatabaseSync(path())
    expect(file.prepare('PRAGMA auto_vacuum').get()).toEqual({ auto_vacuum: 2 })
    expect(file.prepare('SELECT count(*) AS count FROM members').get()).toEqual({ count: 0 })
    file.close()
  })

  it('is refused to the version that made it, once it was converted', async () => {
    await createEmbeddedEngine({ path: path() }).close()
    const file = new DatabaseSync(path())
    expect(() => file.exec(FORMAT_1)).toThrow('score')
    file.close()
  })
})

describe('a file of a newer format', () => {
  it('is refused, and left as it is', async () => {
    await createEmbeddedEngine({ path: path() }).close()
    const set = new DatabaseSync(path())
    set.exec('PRAGMA user_version = 3')
    set.close()
    expect(() => createEmbeddedEngine({ path: path() })).toThrow(
      /^DATA_DIR: .*store\.sqlite cannot be opened: it has format 3, and this version .* reads up to 2/,
    )
    const file = new DatabaseSync(path())
    expect(file.prepare('PRAGMA user_version').get()).toEqual({ user_version: 3 })
    file.close()
  })
})
