/** What the events of OpenAI's streams are, and how much they say, without parsing each. */
import type { EventSourceMessage } from 'eventsource-parser'

/** The vendor writes the type first; others may write it anywhere, which costs a search. */
const leadingType = /^\s*\{\s*"type"\s*:\s*"([\w.]{1,100})"/
const anyType = /"type"\s*:\s*"(response\.[\w.]{1,100}|error)"/

/** The type of an event, from its `event:` line or else from its data; empty if neither names one. */
export function typeOf({ event, data }: EventSourceMessage): string {
  if (event !== undefined && event !== 'message') return event
  return (leadingType.exec(data) ?? anyType.exec(data))?.[1] ?? ''
}

const deltaStart = /"delta"\s*:\s*"/
const chatTextStart = /"(?:content|reasoning_content|reasoning|refusal|arguments)"\s*:\s*"/

/** Characters of the text that a delta of Responses adds, as JSON writes them; 0 for one without text. */
export const deltaCharacters = (data: string): number => stringLength(data, deltaStart)

/** The same of a chunk of Chat Completions. */
export const chunkCharacters = (data: string): number => stringLength(data, chatTextStart)

/** Length of the JSON string that begins at the end of the first match. */
function stringLength(data: string, start: RegExp): number {
  const found = start.exec(data)
  if (!found) return 0
  const from = found.index + found[0].length
  for (let at = from; ; at++) {
    at = data.indexOf('"', at)
    if (at < 0) return data.length - from
    let slashes = 0
    while (data[at - 1 - slashes] === '\\') slashes++
    if (slashes % 2 === 0) return at - from
  }
}
