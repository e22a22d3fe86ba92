/** Reads a whole stream for a client that asked for JSON. */
import { createParser } from 'eventsource-parser'
import type { AnswerFold, UsageReader } from '../../dialects/dialect.ts'
import type { BegunStream } from '../stream/gate.ts'

/** The longest event that is read, in characters: each is parsed at once. */
const maxEventCharacters = 2 * 1024 * 1024

/** What a stream came to. */
export type Folded =
  | { kind: 'answer'; json: string }
  /** It ended with the upstream's own error, whose data this is. */
  | { kind: 'error'; data: string }
  /** It broke off. */
  | { kind: 'cut' }
  /** It is whole, but has no form as JSON, or is too large. */
  | { kind: 'unfoldable' }

/**
 * Reads `stream` to its end, or to its last event.
 * @throws what reading the stream throws.
 */
export async function foldStream(
  { held, rest }: BegunStream,
  usage: UsageReader,
  fold: AnswerFold,
  onBytes: () => void,
): Promise<Folded> {
  const decoder = new TextDecoder()
  let error: string | undefined
  const parser = createParser({
    onEvent(message) {
      if (usage.event(message) === 'error') error ??= message.data
      fold.event(message)
    },
    maxBufferSize: maxEventCharacters,
  })
  const begun = held.values()
  try {
    while (usage.state() === 'open' && error === undefined) {
      const value = begun.next().value ?? (await rest.read()).value
      if (!value) {
        usage.ended?.()
        break
      }
      onBytes()
      if (!canFeed(parser, decoder.decode(value, { stream: true }))) return { kind: 'unfoldable' }
    }
  } finally {
    // An upstream may keep the connection open after its last event.
    await rest.cancel().catch(() => {})
  }
  if (error !== undefined) return { kind: 'error', data: error }
  if (usage.state() !== 'complete') return { kind: 'cut' }
  const json = fold.answer()
  return json === undefined ? { kind: 'unfoldable' } : { kind: 'answer', json }
}

/** False when an event is longer than the parser holds. */
function canFeed(parser: ReturnType<typeof createParser>, text: string): boolean {
  try {
    parser.feed(text)
    return true
  } catch {
    return false
  }
}
