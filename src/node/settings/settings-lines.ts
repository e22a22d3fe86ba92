/** The lines of a settings file: which of them set something, and which are mistakes. */
import type { Question } from './question.ts'

/** A name, an equals sign, and where its value begins. */
const beginning = /^\s*(?:export\s+)?([\w.-]+)[ \t]*=[ \t]*/
const unset = /^\s*(?:#|$)/

export interface SettingsLines {
  /** The text without the lines that set nothing: the parser would take them for part of the next name. */
  text: string
  questions: Question[]
}

/**
 * Looks at each line: a mistake is a line that sets nothing and is no comment, and a name that is set
 * twice. Lines within a quoted value are part of it. Nothing of a line is in its question but a name.
 */
export function checkLines(text: string, fileName: string): SettingsLines {
  const lines = text.split(/\r?\n/)
  const kept: string[] = []
  const questions: Question[] = []
  const seen = new Set<string>()
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? ''
    const [head, name] = beginning.exec(line) ?? []
    if (head === undefined || name === undefined) {
      if (unset.test(line)) continue
      const message = `Line ${at + 1} sets nothing: a setting is written NAME=value, a comment begins with #`
      questions.push({ setting: fileName, message })
      continue
    }
    if (seen.has(name)) {
      const message = `This name is in ${fileName} more than once; the last value counts`
      questions.push({ setting: name, message })
    }
    seen.add(name)
    const end = endOfValue(lines, at, line.slice(head.length))
    kept.push(...lines.slice(at, end + 1))
    at = end
  }
  return { text: kept.join('\n'), questions }
}

/** The line on which the value ends; one in quotes may have several lines, if it is closed at all. */
function endOfValue(lines: string[], at: number, value: string): number {
  const quote = /^["'`]/.exec(value)?.[0]
  if (quote === undefined || value.includes(quote, 1)) return at
  const end = lines.findIndex((line, index) => index > at && line.includes(quote))
  return end < 0 ? at : end
}
