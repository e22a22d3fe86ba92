/** Reads the recorded requests and answers under `test/fixtures`. */
import { readFileSync } from 'node:fs'

/** The text of a fixture by its file name; throws when there is none. */
export const readFixture = (name: string): string =>
  readFileSync(new URL(`../fixtures/${name}`, import.meta.url), 'utf8')
