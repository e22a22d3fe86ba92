/** Holds what a client received against what it should have seen. */
import { createParser, type EventSourceMessage } from 'eventsource-parser'
import { expect } from 'vitest'
import { refused, type Shown, whole } from './gate.oracle.ts'

export interface Received {
  status: number
  headers: Headers
  bytes: Buffer
}

const comment = ': waiting for the upstream\n\n'

/** @param held whether the gateway had to keep the client waiting with comments. */
export function checkAnswer(
  answer: Received,
  shown: Shown,
  held: 'never' | 'perhaps' | 'surely',
): void {
  const wait = leadingComments(answer.bytes)
  if (held !== 'perhaps') expect(wait > 0, `held open ${held}`).toBe(held === 'surely')
  const rest = { ...answer, bytes: withoutComments(answer.bytes.subarray(wait)) }
  if (wait > 0) checkHeldOpen(rest, shown)
  else checkDirect(rest, shown)
}

function leadingComments(bytes: Buffer): number {
  let length = 0
  while (bytes.subarray(length, length + comment.length).toString() === comment) {
    length += comment.length
  }
  return length
}

/** Without the comments of a stream that paused, each of which must stand between two events. */
function withoutComments(bytes: Buffer): Buffer {
  const pieces = bytes.toString('latin1').split(comment)
  for (const piece of pieces.slice(0, -1)) {
    const said = Buffer.from(piece, 'latin1')
    expect(whole(said).length, 'a comment within an event').toBe(said.length)
  }
  return Buffer.from(pieces.join(''), 'latin1')
}

function checkDirect(answer: Received, shown: Shown): void {
  const { status, headers, bytes } = answer
  const type = headers.get('content-type')
  expect(headers.get('x-request-id')).toBeTruthy()
  if (shown.kind === 'converted') {
    checkConverted(answer, shown)
  } else if (shown.kind === 'stream') {
    expect({ status, type }).toEqual({ status: 200, type: shown.type })
    checkStream(answer, shown)
  } else if (shown.kind === 'document') {
    expect({ status, type }).toEqual({ status: shown.status, type: shown.type })
    expect(bytes.toString()).toBe(shown.bytes.toString())
  } else {
    expect({ status, type }).toEqual({ status: shown.status, type: 'application/json' })
    checkError(JSON.parse(bytes.toString()), shown.type, answer)
  }
}

/** Status and headers have gone out: whatever is no stream is told by one error event. */
function checkHeldOpen(answer: Received, shown: Shown): void {
  const { status, headers } = answer
  const type = headers.get('content-type')
  expect({ status, type }).toEqual({ status: 200, type: 'text/event-stream; charset=utf-8' })
  if (shown.kind === 'converted') checkConverted(answer, shown)
  else if (shown.kind === 'stream') checkStream(answer, shown)
  else checkOnlyError(answer, shown)
}

/** The whole message in the form that was asked for. */
function checkConverted({ status, headers, bytes }: Received, { text }: { text: string }): void {
  expect(status).toBe(200)
  if (headers.get('content-type') === 'application/json') {
    const { content } = JSON.parse(bytes.toString())
    expect(content.map((block: { text: string }) => block.text).join('')).toBe(text)
    return
  }
  expect(headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
  const events = parse(bytes)
  expect([events[0]?.event, events.at(-1)?.event]).toEqual(['message_start', 'message_stop'])
  const said = events.filter(({ event }) => event === 'content_block_delta')
  expect(said.map(({ data }) => JSON.parse(data).delta.text).join('')).toBe(text)
}

type Single = Extract<Shown, { kind: 'document' | 'error' }>

function checkOnlyError(answer: Received, shown: Single): void {
  const [event, ...more] = parse(answer.bytes)
  expect({ name: event?.event, more }).toEqual({ name: 'error', more: [] })
  const told = JSON.parse(event?.data ?? '')
  if (shown.kind === 'error') {
    checkError(told, shown.type, answer)
  } else if (shown.status < 400) {
    checkError(told, 'api_error', answer)
  } else {
    const refusal = JSON.parse(shown.bytes.toString())
    if (refusal.error) expect(told).toEqual({ type: 'error', ...refusal })
    else checkError(told, refused(shown.status).type, answer)
  }
}

/** Verbatim, and then nothing, or one error event that begins on a line of its own. */
function checkStream(answer: Received, { bytes, isCut }: Shown & { kind: 'stream' }): void {
  const events = parse(answer.bytes)
  expect(events.filter(({ event }) => event === 'message_start').length).toBeLessThanOrEqual(1)
  expect(answer.bytes.subarray(0, bytes.length).toString()).toBe(bytes.toString())
  const added = answer.bytes.subarray(bytes.length).toString()
  expect(added).toMatch(isCut ? /^event: error\ndata: [^\r\n]+\n\n$/ : /^$/)
  const last = events.at(-1)
  if (isCut) expect(last?.event).toBe('error')
  if (isCut) checkError(JSON.parse(last?.data ?? ''), 'api_error', answer)
}

function checkError(told: unknown, type: string, { headers }: Received): void {
  expect(told).toEqual({
    type: 'error',
    error: { type, message: expect.stringMatching(/./) },
    request_id: headers.get('x-request-id'),
  })
}

/** Every whole event of a stream, which must be UTF-8, and hold JSON where the upstream's did. */
function parse(bytes: Buffer): EventSourceMessage[] {
  const events: EventSourceMessage[] = []
  const parser = createParser({ onEvent: (event) => events.push(event) })
  parser.feed(new TextDecoder('utf-8', { fatal: true }).decode(whole(bytes)))
  for (const { event, data } of events) if (event) JSON.parse(data)
  return events
}
