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

/** The same of one block of content. Signatures and redacted blocks count nothing. */
export function blockCharacters(block: unknown): number {
  if (!isObject(block)) return 0
  const { text, thinking, input } = block
  const inputLength = input === undefined ? 0 : JSON.stringify(input).length
  // A block that begins has `{}` in place of what its deltas bring.
  return lengthOf(text) + lengthOf(thinking) + (inputLength > 2 ? inputLength : 0)
}

/** The same of the content of a whole answer. */
export function answerCharacters(content: unknown): number {
  if (!Array.isArray(content)) return lengthOf(content)
  return content.reduce<number>((sum, block) => sum + blockCharacters(block), 0)
}
