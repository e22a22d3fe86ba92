/** Folds an Anthropic stream into the message that it tells. */
import type { EventSourceMessage } from 'eventsource-parser'
import { parseJson } from '../../json.ts'
import type { AnswerFold } from '../dialect.ts'

/** The longest message that is folded, in characters of events. */
const maxCharacters = 32 * 1024 * 1024
const maxBlocks = 10_000
const inputCounts = ['input_tokens', 'cache_creation_input_tokens', 'cache_read_input_tokens']

type Fields = Record<string, unknown>

interface Block {
  fields: Fields
  /** The input of a tool as it came: text, which is never written anew. */
  input: string
}

const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const asObject = (value: unknown): Fields => (isObject(value) ? value : {})

/** Makes a fold for one answer; an event of a known kind but without its place makes it unusable. */
export function createFold(): AnswerFold {
  const blocks = new Map<number, Block>()
  let message: Fields | undefined
  let characters = 0
  let isUsable = true

  const startBlock = (index: unknown, fields: unknown): boolean => {
    if (typeof index !== 'number' || !isObject(fields)) return false
    if (blocks.has(index) || blocks.size >= maxBlocks) return false
    blocks.set(index, { fields: { ...fields }, input: '' })
    return true
  }
  const addDelta = (index: unknown, delta: unknown): boolean => {
    const block = typeof index === 'number' ? blocks.get(index) : undefined
    return block !== undefined && isObject(delta) && applyDelta(block, delta)
  }
  const end = ({ type: _, delta, usage, ...others }: Fields): boolean => {
    if (!message) return false
    const counts = { ...asObject(message.usage), ...newCounts(asObject(usage)) }
    message = { ...message, ...others, ...asObject(delta), usage: counts }
    return true
  }
  const take = (event: Fields): boolean => {
    switch (event.type) {
      case 'message_start':
        if (message || !isObject(event.message)) return false
        message = event.message
        return true
      case 'content_block_start':
        return startBlock(event.index, event.content_block)
      case 'content_block_delta':
        return addDelta(event.index, event.delta)
      case 'message_delta':
        return end(event)
      default:
        return true
    }
  }

  return {
    event({ data }: EventSourceMessage) {
      characters += data.length
      if (!isUsable || characters > maxCharacters) {
        isUsable = false
        return
      }
      const event = parseJson(data)
      if (isObject(event) && !take(event)) isUsable = false
    },
    answer() {
      if (!isUsable || !message) return undefined
      const ordered = [...blocks].sort(([a], [b]) => a - b).map(([, block]) => blockText(block))
      const { content: _, ...fields } = message
      return withRaw(fields, 'content', `[${ordered.join(',')}]`)
    },
  }
}

/** Adds what a delta says; false for a kind that is not known, whose place in the message is not known. */
function applyDelta(block: Block, delta: Fields): boolean {
  const { fields } = block
  const append = (name: string): boolean => {
    const added = delta[name]
    if (typeof added !== 'string') return false
    const before = fields[name]
    fields[name] = typeof before === 'string' ? before + added : added
    return true
  }
  switch (delta.type) {
    case 'text_delta':
      return append('text')
    case 'thinking_delta':
      return append('thinking')
    case 'signature_delta':
      return append('signature')
    case 'compaction_delta':
      return append('content')
    case 'input_json_delta':
      if (typeof delta.partial_json !== 'string') return false
      block.input += delta.partial_json
      return true
    case 'citations_delta': {
      const known = Array.isArray(fields.citations) ? fields.citations : []
      fields.citations = known
      known.push(delta.citation)
      return true
    }
    default:
      return false
  }
}

/** Counts that say something; zeros on the input side are placeholders. */
function newCounts(usage: Fields): Fields {
  const isInput = (name: string) => inputCounts.includes(name) || name === 'cache_creation'
  const hasInput = inputCounts.some((name) => Number(usage[name]) > 0)
  const kept = Object.entries(usage).filter(
    ([name, value]) => value !== null && (hasInput || !isInput(name)),
  )
  return Object.fromEntries(kept)
}

function blockText({ fields, input: streamed }: Block): string {
  if (streamed === '' && fields.input === undefined) return JSON.stringify(fields)
  const { input, ...others } = fields
  return withRaw(others, 'input', streamed === '' ? JSON.stringify(input) : asJson(streamed))
}

/**
 * The input of a tool as it came. What is not whole, as after `max_tokens`, is wrapped in the way that
 * the vendor names for it (docs.anthropic.com, "Fine-grained tool streaming").
 */
const asJson = (input: string): string =>
  parseJson(input) === undefined ? JSON.stringify({ INVALID_JSON: input }) : input

/** An object as JSON, with one more member whose JSON is given as it is. */
function withRaw(fields: Fields, name: string, json: string): string {
  const others = JSON.stringify(fields).slice(1, -1)
  return `{${others}${others === '' ? '' : ','}${JSON.stringify(name)}:${json}}`
}
