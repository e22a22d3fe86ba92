/** What the scripts of all upstreams must come to: which one is shown, which bytes, and who pays. */
import { type Meaning, meaningOfPart } from './gate.documents.ts'
import type { Script, ScriptEvent } from './gate.scripts.ts'

export interface Case {
  isStream: boolean
  scripts: Script[]
  /** How long a stall lasts, and when no account is tried any more. */
  patienceMs: number
  deadlineMs: number
  requestBytes: number
}

/** What the client gets, as long as the gateway has not had to say anything before. */
export type Shown =
  /** Bytes of one upstream; `isCut` when the gateway has to say that they are not all. */
  | { kind: 'stream'; type: string; bytes: Buffer; isCut: boolean }
  | { kind: 'document'; status: number; type: string; bytes: Buffer }
  /** A stream as the document, or a document as the stream, that the client asked for. */
  | { kind: 'converted'; text: string }
  /** The gateway's own words. */
  | { kind: 'error'; status: number; type: string }

export interface Expected {
  shown: Shown
  /** One entry for each account that was asked: how it went, by the trace. */
  attempts: { outcome: string; status: number | null }[]
  /** How the request ended, by the trace. */
  end: string
  bill: { inputTokens: number; outputTokens: number; estimatedRequests: number } | undefined
  /** The accounts that rest afterwards. */
  resting: number[]
}

const maxAttempts = 5
const heldEvents = 64
const heldBytes = 256 * 1024

export function expected(given: Case): Expected {
  const attempts: Expected['attempts'] = []
  const resting: number[] = []
  const refusals: (Shown | undefined)[] = []
  const tooLate: Shown = { kind: 'error', status: 504, type: 'api_error' }
  let clockMs = 0
  for (const [index, script] of given.scripts.slice(0, maxAttempts).entries()) {
    const verdict = judge(script, given.isStream)
    const status = isHeard(script) ? statusOf(script) : null
    if (verdict.failure === undefined) {
      // An error that came as a success is passed on as one that calls itself by its name.
      const isCorrected = verdict.outcome === 'refusal' && status === 200
      attempts.push({ outcome: verdict.outcome, status: isCorrected ? 400 : status })
      if (verdict.rests) resting.push(index)
      return { ...verdict, attempts, resting, bill: billOf(verdict, given) }
    }
    if (!verdict.refusal && !verdict.isWell) resting.push(index)
    refusals.push(verdict.refusal)
    if (script.end === 'stall') clockMs += given.patienceMs
    const isLate = clockMs >= given.deadlineMs
    if (isLate && !given.isStream) {
      attempts.push({ outcome: 'timed_out', status: null })
      const seen = sum(verdict.seen)
      return { shown: tooLate, attempts, end: 'timed_out', bill: estimate(seen, given), resting }
    }
    attempts.push({ outcome: verdict.failure, status })
    if (isLate) return { shown: tooLate, attempts, end: 'failed', bill: undefined, resting }
  }
  const refusal = refusals.at(-1)
  if (refusal && refusals.every(Boolean)) {
    return { shown: refusal, attempts, end: 'refused', bill: undefined, resting }
  }
  const shown = unavailable(attempts.map(({ outcome }) => outcome))
  return { shown, attempts, end: 'failed', bill: undefined, resting }
}

function unavailable(reasons: string[]): Shown {
  const isOnly = (...those: string[]) => reasons.every((reason) => those.includes(reason))
  if (isOnly('account_refused')) return { kind: 'error', status: 503, type: 'api_error' }
  if (isOnly('bad_answer', 'account_refused')) {
    return { kind: 'error', status: 502, type: 'api_error' }
  }
  if (isOnly('rate_limited')) return { kind: 'error', status: 429, type: 'rate_limit_error' }
  if (isOnly('overloaded')) return { kind: 'error', status: 529, type: 'overloaded_error' }
  return { kind: 'error', status: 503, type: 'api_error' }
}

type Verdict =
  | { failure: string; seen: ScriptEvent[]; refusal?: Shown; isWell?: boolean }
  | {
      failure?: undefined
      outcome: string
      shown: Shown
      end: string
      rests?: boolean
      /** What of it can be billed, and whether that is all; undefined when nobody pays. */
      seen?: ScriptEvent[]
      isWhole?: boolean
    }

/** Whether its headers get through: a short body of declared length is waited for. */
const isHeard = ({ answer, body, sent, end }: Script) =>
  answer.kind !== 'none' &&
  (answer.kind === 'stream' ||
    !answer.isLengthDeclared ||
    (end === 'finish' && sent <= body.length))

const statusOf = ({ answer }: Script) => (answer.kind === 'document' ? answer.document.status : 200)

function judge(script: Script, isStream: boolean): Verdict {
  const { answer } = script
  if (answer.kind === 'stream') return judgeStream(script, answer, isStream)
  if (answer.kind === 'none' || script.end !== 'finish') {
    return { failure: brokenOff(script, isStream), seen: [] }
  }
  const { document } = answer
  const isWhole = script.sent === script.body.length
  const meaning: Meaning = isWhole ? document.meaning : meaningOfPart(document.status)
  if (typeof meaning === 'object') return { ...meaning, seen: [] }
  const { status, type, input, output } = document
  const shown: Shown = { kind: 'document', status, type, bytes: script.body }
  if (meaning === 'answer') {
    const characters = JSON.parse(script.body.toString()).content[0].text.length
    const usage = { ...(input && { input }), ...(output && { output }), characters }
    const event: ScriptEvent = { kind: 'stop', text: '', lineEnd: '\n', ...usage }
    const { text } = JSON.parse(script.body.toString()).content[0]
    const given: Shown = isStream ? { kind: 'converted', text } : shown
    return { outcome: 'answer', shown: given, end: 'complete', seen: [event], isWhole: true }
  }
  const isReadable = isWhole && type === 'application/json'
  if (meaning === 'refusal here') {
    const refusal = isReadable ? shown : refused(status)
    return { failure: 'unsupported_by_account', seen: [], refusal }
  }
  const told = { ...shown, status: Math.max(status, 400) }
  return { outcome: 'refusal', shown: told, end: 'refused' }
}

/** What the gateway says of a refusal that no client could read. */
export const refused = (status: number): Shown & { kind: 'error' } => {
  const type = status === 404 ? 'not_found_error' : 'invalid_request_error'
  return { kind: 'error', status: status === 404 ? 404 : 400, type }
}

/** Why an attempt fails that ends before it is decided. */
function brokenOff(script: Script, isStream: boolean): string {
  if (script.end === 'finish') return 'overloaded'
  if (script.end !== 'stall') return 'connect_failed'
  return isStream && isHeard(script) ? 'overloaded' : 'timeout'
}

/** A lone carriage return ends a line too, whatever follows. */
const blankLine = /(?:\r\n|\n|\r(?!\n)){2}/g

function judgeStream(
  script: Script,
  { type, events }: Script['answer'] & { kind: 'stream' },
  isStream: boolean,
): Verdict {
  const sent = script.body.subarray(0, script.sent)
  const seen = arrived(events, script.sent)
  if (!isStream) return judgeFold(script, seen)
  const first = seen.find(({ kind }) => kind !== 'preamble' && kind !== 'comment')
  const isFlooded =
    seen.filter(({ kind }) => kind === 'preamble').length >= heldEvents || sent.length >= heldBytes
  if (!first && !isFlooded) return { failure: brokenOff(script, isStream), seen }
  if (first?.kind === 'error') {
    if (first.errorType !== 'invalid_request_error') return { failure: reasonOf(first), seen }
    const shown: Shown = { kind: 'stream', type, bytes: whole(sent), isCut: false }
    return { outcome: 'stream', shown, end: 'refused' }
  }
  const last = seen.findLast(({ kind }) => kind === 'stop' || kind === 'error')
  if (last?.kind === 'stop') {
    const shown: Shown = { kind: 'stream', type, bytes: sent, isCut: false }
    return { outcome: 'stream', shown, end: 'complete', seen, isWhole: true }
  }
  if (!last && script.end === 'finish' && seen.some(({ saysWhy }) => saysWhy)) {
    const shown: Shown = { kind: 'stream', type, bytes: sent, isCut: false }
    return { outcome: 'stream', shown, end: 'complete', seen, isWhole: true }
  }
  const shown: Shown = { kind: 'stream', type, bytes: whole(sent), isCut: last === undefined }
  const rests = last?.errorType !== 'invalid_request_error'
  return { outcome: 'stream', shown, end: 'upstream_truncated', rests, seen }
}

/** What a client that asked for JSON gets of a stream. */
function judgeFold(script: Script, seen: ScriptEvent[]): Verdict {
  const last = seen.find(({ kind }) => kind === 'stop' || kind === 'error')
  if (last?.kind === 'error') {
    if (last.errorType !== 'invalid_request_error') return { failure: reasonOf(last), seen }
    const bytes = Buffer.from(JSON.stringify(dataOf(last)))
    const shown: Shown = { kind: 'document', status: 400, type: 'application/json', bytes }
    return { outcome: 'refusal', shown, end: 'refused' }
  }
  const isEnded = script.end === 'finish' && seen.some(({ saysWhy }) => saysWhy)
  if (!last && !isEnded) return { failure: brokenOff(script, false), seen }
  const text = textOf(seen)
  if (text === undefined) return { failure: 'bad_answer', seen, isWell: true }
  const shown: Shown = { kind: 'converted', text }
  return { outcome: 'answer', shown, end: 'complete', seen, isWhole: true }
}

const dataOf = ({ text }: ScriptEvent) => {
  const [, data = 'null'] = /data: (\{.*\})/.exec(text) ?? []
  return JSON.parse(data)
}

/** The text of the only block; undefined when a delta has no block, or a block comes twice. */
function textOf(seen: ScriptEvent[]): string | undefined {
  let text: string | undefined
  let isStarted = false
  for (const event of seen.map(dataOf)) {
    if (event?.type === 'message_start') isStarted = true
    if (event?.type === 'content_block_start' && text !== undefined) return undefined
    if (event?.type === 'content_block_start') text = event.content_block.text
    if (event?.type === 'content_block_delta' && text === undefined) return undefined
    if (event?.type === 'content_block_delta') text += event.delta.text
    if (event?.type === 'message_delta' && !isStarted) return undefined
  }
  return isStarted ? (text ?? '') : undefined
}

const reasonOf = ({ errorType }: ScriptEvent) =>
  errorType === 'rate_limit_error' ? 'rate_limited' : 'overloaded'

/** Up to the end of the last event that is whole. */
export function whole(sent: Buffer): Buffer {
  const text = sent.toString('latin1')
  const ends = [...text.matchAll(blankLine)].map((match) => match.index + match[0].length)
  return sent.subarray(0, ends.at(-1) ?? 0)
}

/** The events whose blank line has come; half of its CRLF is enough. */
function arrived(events: ScriptEvent[], sent: number): ScriptEvent[] {
  let end = 0
  return events.filter(({ text, lineEnd }) => {
    end += Buffer.byteLength(text)
    return (lineEnd === '\r\n' ? end - 1 : end) <= sent
  })
}

type Seen = Pick<ScriptEvent, 'input' | 'output' | 'characters'>

const sum = (seen: ScriptEvent[]): Seen => {
  const { input } = seen.findLast((event) => event.input !== undefined) ?? {}
  const { output } = seen.findLast((event) => event.output !== undefined) ?? {}
  const characters = seen.reduce((total, event) => total + (event.characters ?? 0), 0)
  return { ...(input && { input }), ...(output && { output }), characters }
}

function billOf(verdict: Verdict, given: Case): Expected['bill'] {
  if (verdict.failure !== undefined || !verdict.seen) return undefined
  const seen = sum(verdict.seen)
  const { input, output } = seen
  if (!verdict.isWhole || input === undefined || output === undefined) return estimate(seen, given)
  return { inputTokens: input, outputTokens: output, estimatedRequests: 0 }
}

/** About four characters are a token. */
const estimate = (seen: Seen, { requestBytes }: Case): Expected['bill'] => ({
  inputTokens: seen.input ?? Math.ceil(requestBytes / 4),
  outputTokens: Math.max(seen.output ?? 0, Math.ceil((seen.characters ?? 0) / 4)),
  estimatedRequests: 1,
})
