/** Reads the recorded requests and answers under `test/fixtures`. */
import { readFileSync } from 'node:fs'

/** The text of a fixture by its file name; throws when there is none. */
export const readFixture = (name: string): string =>
  readFileSync(new URL(`../fixtures/${name}`, import.meta.url), 'utf8')

/** An answer of an upstream as it was recorded, by its file name under `test/fixtures/cases`. */
export function readAnswer(name: string) {
  const text = readFixture(`cases/${name}`)
  const blank = /\r?\n\r?\n/.exec(text)
  const end = blank?.index ?? text.length
  const [start = '', ...lines] = text.slice(0, end).split(/\r?\n/)
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    headers[line.slice(0, colon)] = line.slice(colon + 1).trim()
  }
  return {
    status: Number(start.split(' ')[1]),
    headers,
    body: text.slice(end + (blank?.[0].length ?? 0)),
  }
}
