/** Reads the few fields of a request body that the gateway needs; the body itself stays bytes. */

import { type JsonChild, type JsonSpan, type Scan, scanObject } from '../../dialects/json-scan.ts'
import { GatewayError } from '../../errors.ts'
import { createReferences, type References } from './references.ts'

/** Longest model name taken from a request, in UTF-16 units. */
export const maxModelLength = 256

const outputLimits = ['max_tokens', 'max_output_tokens', 'max_completion_tokens']

/** The members that decisions depend on: of two with one name, the upstream might read the other. */
const hintKeys = new Set([
  'model',
  'stream',
  ...outputLimits,
  'metadata',
  'system',
  'messages',
  'instructions',
  'input',
  'prompt_cache_key',
  'previous_response_id',
  'conversation',
  'container',
  'stream_options',
  'background',
])

/** What the gateway reads of a request body; other members are never parsed. */
export interface Hints {
  model: string
  /** Byte offsets of the model's JSON text in the body, quotes included, end exclusive. */
  modelStart: number
  modelEnd: number
  stream: boolean
  /** The client's bound on output tokens; undefined if absent or not a count. */
  maxTokens: number | undefined
  references: References
  /** Where the value of a top-level member is in the body; undefined if there is none. */
  span(key: string): JsonSpan | undefined
}

/** Values of more bytes are not parsed: neither a model nor an id nor a session is that long. */
const maxParsedBytes = 64 * 1024

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The value at `span`; undefined if there is none, or if it is longer than anything that matters. */
export function parseSpan(body: Uint8Array<ArrayBuffer>, span: JsonSpan | undefined): unknown {
  if (!span || span.end - span.start > maxParsedBytes) return undefined
  return JSON.parse(utf8.decode(body.subarray(span.start, span.end)))
}

/**
 * Checks that `body` is one JSON object and reads its hints.
 * @throws GatewayError `invalid_json` if it is not JSON, `duplicate_field` if a hint occurs twice,
 * `invalid_request` if `model` or `stream` is not usable.
 */
export function* readHints(body: Uint8Array<ArrayBuffer>): Scan<Hints> {
  const { onKey, found: references } = createReferences(body)
  const members = yield* scanObject(body, onKey)
  refuseDuplicates(members)
  const spans = new Map(members.map((member) => [member.key, member]))
  const value = (key: string) => parseSpan(body, spans.get(key))
  const model = spans.get('model')
  if (!model) throw unusable('model', 'is required')
  return {
    model: readModel(value('model')),
    modelStart: model.start,
    modelEnd: model.end,
    stream: readStream(spans.has('stream') ? value('stream') : null),
    maxTokens: outputLimits.map(value).find(isCount),
    references,
    span: (key) => spans.get(key),
  }
}

/** Names that differ only in case count as the same, since some upstreams ignore the case. */
function refuseDuplicates(members: JsonChild[]): void {
  const seen = new Set<string>()
  for (const { key } of members) {
    const name = key?.toLowerCase()
    if (name === undefined || !hintKeys.has(name)) continue
    if (seen.has(name)) {
      throw new GatewayError('duplicate_field', `The field "${name}" occurs more than once`, {
        issues: [{ field: name, message: 'occurs more than once' }],
      })
    }
    seen.add(name)
  }
}

function readModel(value: unknown): string {
  if (typeof value === 'string' && value !== '' && value.length <= maxModelLength) return value
  throw unusable('model', `must be a string of 1 to ${maxModelLength} characters`)
}

function readStream(value: unknown): boolean {
  if (typeof value === 'boolean') return value
  if (value === null) return false
  throw unusable('stream', 'must be true or false')
}

const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && Number(value) >= 0

const unusable = (field: string, message: string) =>
  new GatewayError('invalid_request', `The field "${field}" ${message}`, {
    issues: [{ field, message }],
  })
