/** How much of an Anthropic answer was seen, from which its output is estimated where it is not reported. */

/** A delta, whether or not a line names the event. Nine of ten events are deltas, so they are not parsed. */
export const isDelta = /^\s*\{\s*"type"\s*:\s*"content_block_delta"/

/** Where the text of a delta begins: of an answer, of thoughts, or of a tool's input. */
const textStart = /"(?:text|thinking|partial_json)"\s*:\s*"/
const textEnd = '"}}'

/**
 * Characters of text, thinking and tool input in the data of a `content_block_delta`, as JSON writes
 * them. Signatures count nothing: they are no output.
 */
export function deltaCharacters(data: string): number {
  const start = textStart.exec(data)
  if (!start) return 0
  return Math.max(0, data.length - textEnd.length - start.index - start[0].length)
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null

const lengthOf = (value: unknown) => (typeof value === 'string' ? value.length : 0)

/** The same of the content of a whole answer. Signatures and redacted blocks count nothing. */
export function answerCharacters(content: unknown): number {
  if (!Array.isArray(content)) return lengthOf(content)
  return content.filter(isObject).reduce((sum, { text, thinking, input }) => {
    const inputLength = input === undefined ? 0 : JSON.stringify(input).length
    return sum + lengthOf(text) + lengthOf(thinking) + inputLength
  }, 0)
}
