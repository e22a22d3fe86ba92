/** Folds a Responses stream into the response that it tells. */
import type { EventSourceMessage } from 'eventsource-parser'
import { parseJson } from '../../json.ts'
import type { AnswerFold } from '../dialect.ts'
import { asObject, isObject } from './counts.ts'
import { typeOf } from './deltas.ts'

/** The longest response that is folded, in characters of the events that are kept. */
const maxCharacters = 32 * 1024 * 1024
const maxItems = 10_000

/**
 * Makes a fold for one answer: the last event holds the whole response. Some upstreams leave its output
 * empty there, and tell it only by the items that were done before.
 */
export function createFold(): AnswerFold {
  const items = new Map<number, unknown>()
  let response: Record<string, unknown> | undefined
  let characters = 0
  let isUsable = true
  return {
    event(message: EventSourceMessage) {
      const type = typeOf(message)
      const isItem = type === 'response.output_item.done'
      if (!isItem && type !== 'response.completed' && type !== 'response.incomplete') return
      characters += message.data.length
      if (characters > maxCharacters || items.size >= maxItems) isUsable = false
      if (!isUsable) return
      const event = asObject(parseJson(message.data))
      if (isItem) items.set(Number(event.output_index ?? items.size), event.item)
      else if (isObject(event.response)) response = event.response
    },
    answer() {
      if (!isUsable || !response) return undefined
      const isTold = Array.isArray(response.output) && response.output.length > 0
      const done = [...items].sort(([a], [b]) => a - b).map(([, item]) => item)
      return JSON.stringify(isTold ? response : { ...response, output: done })
    },
  }
}
