/** The settings file `.dev.vars`: which one is read, how its bytes become text, and what its lines say. */
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseEnv } from 'node:util'
import { ConfigError } from '../../config.ts'
import type { Question } from './question.ts'
import { checkLines } from './settings-lines.ts'

export const settingsFileName = '.dev.vars'

/** Where it is looked for: in the working directory, then beside `package.json`; the first one is read. */
export const defaultDirectories = ['.', join(import.meta.dirname, '..', '..', '..')]

export interface SettingsFile {
  /** What it sets, blank values included; empty without a file. */
  settings: Record<string, string | undefined>
  questions: Question[]
}

/**
 * Reads the file.
 * @throws ConfigError that names the file when it is not text, or the setting whose value would be cut
 * off at a `#`.
 */
export function readSettingsFile(
  directories: readonly string[] = defaultDirectories,
): SettingsFile {
  const places = [...new Set(directories.map((directory) => resolve(directory)))]
  const files = places.map((place) => join(place, settingsFileName)).filter(existsSync)
  const [file, ...others] = files
  const questions = places
    .filter((place) => existsSync(join(place, '.env')))
    .map(
      (): Question => ({
        setting: '.env',
        message: `This file is not read; settings belong in the environment or in ${settingsFileName}`,
      }),
    )
  if (file === undefined) return { settings: {}, questions }
  const { text, questions: mistakes } = checkLines(decode(readFileSync(file)), settingsFileName)
  questions.push(...mistakes)
  const isUnread = others.some((other) => readFileSync(other).length > 0)
  if (isUnread) questions.push({ setting: settingsFileName, message: secondFile })
  checkComments(text)
  return { settings: parseEnv(text), questions }
}

const secondFile =
  'The one beside package.json is not read, as there is one in the working directory'

/** Text by its byte order mark: UTF-8 or UTF-16; without one UTF-8. */
function decode(bytes: Uint8Array): string {
  const [first, second] = bytes
  const encoding =
    first === 0xff && second === 0xfe
      ? 'utf-16le'
      : first === 0xfe && second === 0xff
        ? 'utf-16be'
        : 'utf-8'
  try {
    // The decoder removes the mark, which would else become part of the first name.
    const text = new TextDecoder(encoding, { fatal: true }).decode(bytes)
    if (!text.includes('\0')) return text
  } catch {
    // Not of this encoding: refused below.
  }
  throw new ConfigError(`${settingsFileName}: is not text in UTF-8; save it in that encoding`)
}

/**
 * A `#` begins a comment even inside a value. What is cut off without a blank before it, such as the
 * end of a password, was hardly meant as one.
 */
function checkComments(text: string): void {
  const values = parseEnv(text)
  for (const line of text.split(/\r?\n/)) {
    const [, name = '', value = ''] =
      /^\s*(?:export\s+)?([\w.-]+)[ \t]*=[ \t]*(.*)$/.exec(line) ?? []
    const cut = value.indexOf('#')
    // In quotes, and in the middle of a quoted value of several lines, a `#` is a character as any other.
    if (cut < 1 || /^["'`]/.test(value) || /\s/.test(value.charAt(cut - 1))) continue
    if (values[name] === value.slice(0, cut).trim()) {
      throw new ConfigError(
        `${name}: the value in ${settingsFileName} contains a #, which begins a comment; put the value in quotes`,
      )
    }
  }
}
