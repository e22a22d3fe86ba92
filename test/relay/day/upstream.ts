/** The simulated vendor: answers in virtual time, suffers its faults, and remembers every attempt. */
import type { Runtime, UpstreamRequest } from '../../../src/runtime.ts'
import type { VirtualTime } from '../../support/virtual-time.ts'
import { type Ask, numberOf } from './asks.ts'
import { type Fault, faultAt, isDown } from './faults.ts'
import type { AccountName } from './world.ts'

/** One request that reached one account. */
export interface Attempt {
  ask: Ask
  account: AccountName
  startedMs: number
  bodyBytes: number
  /** The fault that the account suffered when it was asked. */
  fault: Fault | undefined
  /** When the gateway could tell what came of it: an answer begun, or a failure. */
  decidedMs: number | undefined
  /** When its last byte was out, or it broke. */
  endedMs: number
  /** `dropped`: the gateway ended it. `cut`: it broke off after content. */
  outcome: 'pending' | 'answering' | 'complete' | 'failed' | 'cut' | 'dropped'
  hasStarted: boolean
  /** Alone it tries an account whose rest has ended. */
  isProbe: boolean
  /** Of the text that was sent. */
  characters: number
  /** What each account carried then, by the store, this attempt included. */
  inflight: Partial<Record<AccountName, number>>
}

interface UpstreamOptions {
  time: () => VirtualTime
  faults: Fault[]
  asks: (number: number) => Ask
  /** Told of each attempt before anything is answered. */
  onAttempt: (attempt: Attempt) => Promise<void>
}

const deltaText = 'x'.repeat(400)
const longestGapMs = 40_000
const hour = 60 * 60_000

export function createUpstream(options: UpstreamOptions) {
  const attempts: Attempt[] = []
  const { faults } = options
  const now = () => options.time().now()

  /** Waits, as a connection does that breaks when its upstream goes down. */
  async function pass(attempt: Attempt, ms: number, signal: AbortSignal) {
    await options.time().sleep(ms, signal)
    const fault = faultAt(faults, now(), attempt.account, attempt.ask.family)
    if (isDown(fault)) throw new TypeError('terminated')
  }

  function end(attempt: Attempt, outcome: Attempt['outcome']) {
    attempt.outcome = outcome
    attempt.decidedMs ??= now()
    attempt.endedMs = now()
  }

  function streamed(attempt: Attempt, signal: AbortSignal): Response {
    const encoder = new TextEncoder()
    const events = streamOf(attempt)
    const body = new ReadableStream<Uint8Array>({
      async start(controller) {
        try {
          for (const { afterMs, text, characters = 0 } of events) {
            await pass(attempt, afterMs, signal)
            if (text === 'cut') throw new TypeError('terminated')
            controller.enqueue(encoder.encode(text))
            attempt.hasStarted = true
            attempt.characters += characters
            if (characters > 0) end(attempt, 'answering')
          }
          controller.close()
          end(attempt, 'complete')
        } catch (error) {
          const broken = attempt.outcome === 'answering' ? 'cut' : 'failed'
          end(attempt, signal.aborted ? 'dropped' : broken)
          throw error
        }
      },
    })
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
  }

  async function whole(attempt: Attempt, signal: AbortSignal): Promise<Response> {
    const { ask } = attempt
    const isCut = attempt.fault?.trouble.kind === 'cut' && isStruck(attempt)
    const firstMs = firstByteMs(attempt)
    await pass(attempt, isCut ? firstMs : Math.max(firstMs, ask.durationMs), signal)
    if (isCut) throw new TypeError('terminated')
    end(attempt, 'complete')
    const usage = { input_tokens: ask.inputTokens, output_tokens: ask.outputTokens }
    return Response.json({ type: 'message', role: 'assistant', content: [], usage })
  }

  async function answer(attempt: Attempt, signal: AbortSignal): Promise<Response> {
    const { fault, ask } = attempt
    const refused = refusal(fault, ask, now())
    if (refused) {
      await pass(attempt, 300, signal)
      end(attempt, 'failed')
      return refused
    }
    if (isDown(fault)) await pass(attempt, 20, signal)
    if (fault?.trouble.kind === 'silent') await pass(attempt, hour, signal)
    if (fault?.trouble.kind === 'stalled' && !ask.stream) await pass(attempt, hour, signal)
    if (!ask.stream) return whole(attempt, signal)
    await pass(attempt, firstByteMs(attempt), signal)
    return streamed(attempt, signal)
  }

  const fetch: Runtime['fetch'] = async (url, { body, signal }: UpstreamRequest) => {
    const account = new URL(url).hostname.split('.')[0] as AccountName
    const ask = options.asks(numberOf(body))
    const attempt: Attempt = {
      ask,
      account,
      startedMs: now(),
      bodyBytes: body?.length ?? 0,
      fault: faultAt(faults, now(), account, ask.family),
      decidedMs: undefined,
      endedMs: 0,
      outcome: 'pending',
      hasStarted: false,
      isProbe: false,
      characters: 0,
      inflight: {},
    }
    attempts.push(attempt)
    await options.onAttempt(attempt)
    try {
      return await answer(attempt, signal)
    } catch (error) {
      end(attempt, signal.aborted ? 'dropped' : 'failed')
      throw error
    }
  }
  return { fetch, attempts }
}

/** The same requests are struck on each run. */
const isStruck = ({ ask, fault }: Attempt) =>
  fault?.trouble.kind === 'cut' &&
  (Math.imul(ask.number + 1, 0x9e3779b1) >>> 0) / 2 ** 32 < fault.trouble.share

const firstByteMs = ({ ask, fault }: Attempt) =>
  fault?.trouble.kind === 'slow' ? 50_000 + ((ask.number * 7_919) % 20_000) : ask.firstByteMs

function refusal(fault: Fault | undefined, ask: Ask, nowMs: number): Response | undefined {
  const error = (type: string, message: string) => ({ type: 'error', error: { type, message } })
  switch (fault?.trouble.kind) {
    case 'limited': {
      const headers = { 'retry-after': String(Math.ceil((fault.toMs - nowMs) / 1_000)) }
      return Response.json(error('rate_limit_error', 'Slow down'), { status: 429, headers })
    }
    case 'overloaded':
      return Response.json(error('overloaded_error', 'Overloaded'), { status: 529 })
    case 'unauthorized':
      return Response.json(error('authentication_error', 'invalid x-api-key'), { status: 401 })
    case 'disabled': {
      const body = error('invalid_request_error', 'This organization has been disabled.')
      return Response.json(body, { status: 400 })
    }
    case 'error_event': {
      const body = error('overloaded_error', 'Overloaded')
      if (!ask.stream) return Response.json(body)
      const headers = { 'content-type': 'text/event-stream' }
      return new Response(`event: error\ndata: ${JSON.stringify(body)}\n\n`, { headers })
    }
    default:
      return undefined
  }
}

interface StreamPart {
  afterMs: number
  /** What goes out; the word `cut` instead breaks the connection. */
  text: string
  characters?: number
}

const event = (type: string, fields: object) =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`

/** The parts of one answer, in the time that the request takes. */
function* streamOf(attempt: Attempt): Generator<StreamPart> {
  const { ask, fault } = attempt
  const usage = { input_tokens: ask.inputTokens, output_tokens: 1 }
  yield { afterMs: 1, text: event('message_start', { message: { role: 'assistant', usage } }) }
  if (fault?.trouble.kind === 'stalled') yield { afterMs: hour, text: 'cut' }
  const cut = fault?.trouble.kind === 'cut' && isStruck(attempt) ? fault.trouble.when : undefined
  if (cut === 'before') yield { afterMs: 100, text: 'cut' }
  const leftMs = Math.max(600, ask.durationMs - ask.firstByteMs)
  const count = Math.max(3, Math.ceil(leftMs / longestGapMs))
  const delta = { index: 0, delta: { type: 'text_delta', text: deltaText } }
  for (let i = 0; i < count; i++) {
    const afterMs = i === 0 ? 200 : (leftMs - 200) / count
    yield { afterMs, text: event('content_block_delta', delta), characters: deltaText.length }
    if (cut === 'after') yield { afterMs: 100, text: 'cut' }
  }
  const final = { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: ask.outputTokens } }
  yield { afterMs: 100, text: event('message_delta', final) + event('message_stop', {}) }
}
