/** The tables of the file, and how the file of an older version becomes one of this version. */
import type { DatabaseSync } from 'node:sqlite'

/** Kept in the file as `user_version`; the first format had none. */
const FORMAT = 2

/**
 * A string has its text in `value`. A small hash or sorted set has all of its contents there, as JSON
 * (`contents.ts`). A larger one has NULL there, and a row for each field or member: then a change of
 * one field writes one row. A BLOB is a text that was compressed (`compression.ts`). The first format had a column `score` in `members`, and an index on it: an
 * older version fails to make that index, and so refuses the file.
 */
const SCHEMA = `
  CREATE TABLE keys (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    type INTEGER NOT NULL,
    expires_at INTEGER,
    value ANY
  ) STRICT;
  CREATE TABLE fields (
    id INTEGER NOT NULL,
    field TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (id, field)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE members (
    id INTEGER NOT NULL,
    member TEXT NOT NULL,
    value REAL NOT NULL,
    PRIMARY KEY (id, member)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE dictionaries (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;
  CREATE INDEX keys_by_expiry ON keys (expires_at) WHERE expires_at IS NOT NULL;
  CREATE TRIGGER keys_contents AFTER DELETE ON keys WHEN old.value IS NULL BEGIN
    DELETE FROM fields WHERE id = old.id;
    DELETE FROM members WHERE id = old.id;
  END;
`

const FROM_FORMAT_1 = `
  DROP TRIGGER IF EXISTS keys_contents;
  DROP INDEX IF EXISTS keys_by_expiry;
  DROP INDEX IF EXISTS members_by_score;
  ALTER TABLE keys RENAME TO old_keys;
  ALTER TABLE fields RENAME TO old_fields;
  ALTER TABLE members RENAME TO old_members;
  ${SCHEMA}
  INSERT INTO keys SELECT id, key, type, expires_at, value FROM old_keys;
  INSERT INTO fields SELECT id, field, value FROM old_fields;
  INSERT INTO members SELECT id, member, score FROM old_members;
  DROP TABLE old_keys;
  DROP TABLE old_fields;
  DROP TABLE old_members;
`

function pragma(connection: DatabaseSync, name: string): number {
  const row = connection.prepare(`PRAGMA ${name}`).get()
  return Number(Object.values(row ?? {})[0] ?? 0)
}

function hasTables(connection: DatabaseSync): boolean {
  const text = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'members'"
  return connection.prepare(text).get() !== undefined
}

/**
 * Makes the tables of a new file, or converts those of an older one; a crash leaves either form whole.
 * @throws Error where a newer version has written the file.
 */
export function prepareFormat(connection: DatabaseSync): void {
  const found = pragma(connection, 'user_version')
  if (found > FORMAT) {
    throw new Error(
      `it has format ${found}, and this version of the gateway reads up to ${FORMAT}: start the newer version again`,
    )
  }
  if (found < FORMAT) {
    const tables = hasTables(connection) ? FROM_FORMAT_1 : SCHEMA
    connection.exec(`BEGIN EXCLUSIVE; ${tables} PRAGMA user_version = ${FORMAT}; COMMIT`)
  }
  if (pragma(connection, 'auto_vacuum') === 0) rewrite(connection)
}

/** A file that was made without auto_vacuum takes it on when it is rewritten as a whole. */
function rewrite(connection: DatabaseSync): void {
  try {
    connection.exec('VACUUM')
  } catch {
    // A disk without room for a second copy must not keep the store closed; the next start tries again.
  }
}
