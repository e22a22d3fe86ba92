/** Folds a Chat Completions stream into the completion that it tells. */
import type { EventSourceMessage } from 'eventsource-parser'
import { parseJson } from '../../json.ts'
import type { AnswerFold } from '../dialect.ts'
import { asObject, isObject } from './counts.ts'

/** The longest completion that is folded, in characters of its chunks. */
const maxCharacters = 32 * 1024 * 1024
const maxChoices = 1_000

type Fields = Record<string, unknown>

/** Makes a fold for one answer. */
export function createFold(): AnswerFold {
  const choices = new Map<number, Fields>()
  let completion: Fields | undefined
  let usage: unknown
  let characters = 0
  let isUsable = true

  const takeChoice = (choice: Fields): boolean => {
    const { index, delta, ...others } = choice
    if (typeof index !== 'number' || (choices.size >= maxChoices && !choices.has(index)))
      return false
    const known = choices.get(index) ?? { index, message: { role: 'assistant', content: null } }
    const message = asObject(known.message)
    if (!merge(message, asObject(delta))) return false
    choices.set(index, { ...known, ...notNull(others), message })
    return true
  }

  return {
    event({ data }: EventSourceMessage) {
      characters += data.length
      if (characters > maxCharacters) isUsable = false
      const chunk = isUsable ? parseJson(data) : undefined
      if (!isObject(chunk)) return
      const { choices: told, usage: counts, ...fields } = chunk
      completion ??= { ...fields, object: 'chat.completion' }
      usage = counts ?? usage
      const isTold = (Array.isArray(told) ? told : []).filter(isObject).every(takeChoice)
      if (!isTold) isUsable = false
    },
    answer() {
      if (!isUsable || !completion) return undefined
      const ordered = [...choices.values()].sort((a, b) => Number(a.index) - Number(b.index))
      return JSON.stringify({ ...completion, choices: ordered, ...(usage ? { usage } : {}) })
    },
  }
}

const notNull = (fields: Fields): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null))

/** Adds a delta to a message: texts are joined, calls of tools by their index; false for any other kind. */
function merge(message: Fields, delta: Fields): boolean {
  for (const [name, added] of Object.entries(delta)) {
    const known = Object.hasOwn(message, name) ? message[name] : undefined
    if (added === null) continue
    if (name === 'role' || name === 'type' || name === 'id') set(message, name, added)
    else if (typeof added === 'string') {
      set(message, name, typeof known === 'string' ? known + added : added)
    } else if (Array.isArray(added)) {
      const list = Array.isArray(known) ? known : []
      set(message, name, list)
      if (!added.every((entry) => mergeEntry(list, entry))) return false
    } else if (isObject(added)) {
      const inner = asObject(known)
      set(message, name, inner)
      if (!merge(inner, added)) return false
    } else set(message, name, added)
  }
  return true
}

/** Names come from outside: none of them may reach the prototype. */
const set = (fields: Fields, name: string, value: unknown): void => {
  Object.defineProperty(fields, name, {
    value,
    writable: true,
    enumerable: true,
    configurable: true,
  })
}

function mergeEntry(list: unknown[], entry: unknown): boolean {
  if (!isObject(entry) || typeof entry.index !== 'number') {
    list.push(entry)
    return list.length <= maxChoices
  }
  const { index, ...delta } = entry
  if (!Number.isSafeInteger(index) || index < 0 || index >= maxChoices) return false
  while (list.length <= index) list.push({})
  const known = list[index]
  return isObject(known) && merge(known, delta)
}
