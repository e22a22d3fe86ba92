/**
 * Asks the upstream for the usage of a Chat Completions stream, which it names only when it is asked,
 * and hides from the client what that adds.
 */
import { parseJson } from '../../json.ts'
import type { Adaptation, RequestFields } from '../dialect.ts'
import { isObject } from './counts.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** Longer options are left as they are: no real ones have more than a few names. */
const maxOptionsBytes = 4 * 1024

/** How a stream is asked for with its usage; undefined where the client does so itself, or is not understood. */
export function includeUsage(body: Uint8Array, request: RequestFields): Adaptation | undefined {
  if (!request.stream) return undefined
  const options = request.span('stream_options')
  if (!options) {
    const end = body.lastIndexOf(closeBrace)
    const text = ',"stream_options":{"include_usage":true}'
    return adaptation(end, end, text)
  }
  const { start, end } = options
  if (end - start > maxOptionsBytes) return undefined
  const known = parseJson(decoder.decode(body.subarray(start, end)))
  if (known !== null && !isObject(known)) return undefined
  if (known?.include_usage === true) return undefined
  return adaptation(start, end, JSON.stringify({ ...known, include_usage: true }))
}

const adaptation = (start: number, end: number, text: string): Adaptation => ({
  edit: { start, end, replacement: encoder.encode(text) },
  showEvents: withoutUsage,
})

const closeBrace = 0x7d

/** What the client did not ask for is kept from it: the last chunk, and an empty usage in all others. */
export function withoutUsage(events: string): string {
  return events
    .split(eachEvent)
    .filter((event) => !isUsageOnly(event))
    .map((event) => event.replace(emptyUsage, ''))
    .join('')
}

/** After each blank line; a line ends in CR, LF or CRLF. */
const eachEvent = /(?<=\n\n|\r\r|\r\n\r\n)/
const isUsageOnly = (event: string) =>
  /"choices"\s*:\s*\[\s*\]/.test(event) && /"usage"\s*:\s*\{/.test(event)
/** Text quotes this with a backslash, so it is a member of the chunk itself. */
const emptyUsage = /,\s*"usage"\s*:\s*null|"usage"\s*:\s*null\s*,/
