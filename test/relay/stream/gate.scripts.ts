/** Scripts of upstreams: what each answers to its one request, to the byte, and how it breaks off. */
import fc from 'fast-check'
import { type Document, documents } from './gate.documents.ts'

type LineEnd = '\n' | '\r\n' | '\r'

/** One block of a stream, up to and with its blank line. */
export interface ScriptEvent {
  kind: 'comment' | 'preamble' | 'content' | 'stop' | 'error'
  text: string
  lineEnd: LineEnd
  /** What it adds to the bill: reported tokens, and characters that stand for unreported ones. */
  input?: number
  output?: number
  characters?: number
  /** It names the reason why the answer stops: a clean end may follow without a marker. */
  saysWhy?: boolean
  /** Of an error: its type, empty without one. */
  errorType?: string
}

export interface Script extends fc.WithToStringMethod {
  /** A stream and its events, a document, or nothing at all, not even headers. */
  answer:
    | { kind: 'stream'; type: string; events: ScriptEvent[] }
    | { kind: 'document'; document: Document; isLengthDeclared: boolean }
    | { kind: 'none' }
  /** All that it would say. */
  body: Buffer
  /** How many bytes of it are sent before the end. */
  sent: number
  end: 'finish' | 'cut' | 'reset' | 'stall'
  /** Where it takes its time, longer than the interval between two comments. */
  wait: 'never' | 'before headers' | 'before the body'
  /** Sizes of the pieces that the body is written in, over and over. */
  pieces: number[]
  /** Whether each piece is given the time to arrive alone. */
  isSlow: boolean
}

/** The marker occurs in whatever one upstream says, and nowhere else. */
type Make = (marker: string) => ScriptEvent

const words = fc.string({ unit: fc.constantFrom('a', 'é', '漢', '🙂', '"', '\n'), maxLength: 6 })
const tokens = fc.integer({ min: 1, max: 50 })
const lineEnd: fc.Arbitrary<LineEnd> = fc.constantFrom('\n', '\n', '\r\n', '\r\n', '\r')

const block = (lineEnd: LineEnd, ...lines: string[]) =>
  [...lines, ''].map((line) => line + lineEnd).join('')

type Extra = Omit<ScriptEvent, 'kind' | 'text' | 'lineEnd'>

/** Events of one type, whose fields tell whose they are. */
const events = (
  kind: ScriptEvent['kind'],
  type: string,
  fill: (words: string, tokens: number) => { fields?: object; extra?: Extra } = () => ({}),
): fc.Arbitrary<Make> =>
  fc.tuple(words, tokens, lineEnd).map(([said, count, end]) => (marker) => {
    const { fields, extra } = fill(`${marker} ${said}`, count)
    const data = JSON.stringify({ type, ...fields })
    return { kind, lineEnd: end, text: block(end, `event: ${type}`, `data: ${data}`), ...extra }
  })

const lines = (kind: ScriptEvent['kind'], line: string): fc.Arbitrary<Make> =>
  fc.tuple(words, lineEnd).map(([said, end]) => (marker) => {
    const text = block(end, `${line} ${marker} ${JSON.stringify(said)}`)
    return { kind, lineEnd: end, text }
  })

const messageStart = events('preamble', 'message_start', (id, count) => ({
  fields: { message: { id, usage: { input_tokens: count, output_tokens: 1 } } },
  extra: { input: count, output: 1 },
}))
const ping = events('preamble', 'ping')
const noise = fc.oneof(
  ping,
  lines('comment', ':'),
  lines('preamble', 'data: no JSON'),
  events('preamble', 'later_invention', (text) => ({ fields: { text } })),
)
const content = fc.oneof(
  events('content', 'content_block_start', (text) => ({
    fields: { index: 0, content_block: { type: 'text', text } },
    extra: { characters: text.length },
  })),
  {
    weight: 3,
    arbitrary: events('content', 'content_block_delta', (text) => ({
      fields: { index: 0, delta: { type: 'text_delta', text } },
      extra: { characters: JSON.stringify(text).length - 2 },
    })),
  },
  events('content', 'content_block_stop'),
  noise,
)
const messageDelta = events('content', 'message_delta', (_, count) => ({
  fields: { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: count } },
  extra: { output: count, saysWhy: true },
}))
const error = (errorType: string) =>
  events('error', 'error', (message) => ({
    fields: { error: { ...(errorType && { type: errorType }), message } },
    extra: { errorType },
  }))
const errors = fc.oneof(
  ...['overloaded_error', 'rate_limit_error', 'invalid_request_error', ''].map(error),
)

const few = <T>(arbitrary: fc.Arbitrary<T>, maxLength: number) => fc.array(arbitrary, { maxLength })
const flat = (...lists: fc.Arbitrary<Make[]>[]) => fc.tuple(...lists).map((all) => all.flat())
const only = (arbitrary: fc.Arbitrary<Make>) => arbitrary.map((made) => [made])
const either = <T>(...weighted: [number, fc.Arbitrary<T>][]) =>
  fc.oneof(...weighted.map(([weight, arbitrary]) => ({ weight, arbitrary })))
const nothing = fc.constant<Make[]>([])

const unfinished = fc.constant<Make[]>([() => ({ kind: 'comment', lineEnd: '\n', text: ': and' })])
const afterwards = either([3, few(noise, 1)], [1, unfinished])
const ending = flat(only(messageDelta), only(events('stop', 'message_stop')), afterwards)
const beginning = flat(few(noise, 2), either([8, only(messageStart)], [1, nothing]), few(noise, 3))
/** More than the gate holds back, by count or by size. No error may follow: chunks would decide. */
const flood = fc.oneof(
  fc.array(ping, { minLength: 64, maxLength: 70 }),
  fc.constant<Make[]>(
    Array.from({ length: 14 }, () => (marker) => {
      const text = block('\n', `: ${marker} ${'.'.repeat(20_000)}`)
      return { kind: 'comment', lineEnd: '\n', text }
    }),
  ),
)
const stream = either(
  [6, flat(beginning, few(content, 5), either([4, ending], [1, nothing], [2, only(errors)]))],
  [3, flat(beginning, only(errors), few(content, 3))],
  [1, flat(beginning, flood, few(content, 3), either([2, ending], [1, nothing]))],
)

const ends = fc.constantFrom<Script['end'][]>('finish', 'finish', 'cut', 'reset', 'stall')
const manner = fc.record({
  end: ends,
  /** Whether it ends before all is said, and where: anywhere, or within the end of an event. */
  endsEarly: fc.boolean(),
  at: fc.nat(1_000_000),
  bytesBeforeBorder: fc.option(fc.nat(4)),
  wait: fc.constantFrom<Script['wait'][]>(
    ...Array<'never'>(12).fill('never'),
    'before headers',
    'before the body',
  ),
  pieces: either(
    [2, fc.constant<number[]>([100_000])],
    [1, fc.constant<number[]>([1])],
    [2, fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 8 })],
  ),
  isSlow: fc.boolean(),
})

type Manner = typeof manner extends fc.Arbitrary<infer T> ? T : never
type Answer = (marker: string) => { answer: Script['answer']; body: Buffer }

const streamType = fc.constantFrom('text/event-stream', 'Text/Event-Stream; charset=UTF-8')
const streams = fc.tuple(stream, streamType).map(
  ([makes, type]): Answer =>
    (marker) => {
      const made = makes.map((make) => make(marker))
      const body = Buffer.from(made.map(({ text }) => text).join(''))
      return { body, answer: { kind: 'stream', type, events: made } }
    },
)

const others = either<Answer>(
  [
    8,
    fc.tuple(fc.constantFrom(...documents), fc.boolean()).map(
      ([document, isLengthDeclared]): Answer =>
        (marker) => {
          const body = Buffer.from(document.text(marker))
          return { body, answer: { kind: 'document', document, isLengthDeclared } }
        },
    ),
  ],
  [1, fc.constant<Answer>(() => ({ body: Buffer.alloc(0), answer: { kind: 'none' } }))],
)

/** Scripts for a number of upstreams, in the order of their accounts: five of six are asked at most. */
export const scripts = (isStream: boolean): fc.Arbitrary<Script[]> => {
  const answer = isStream ? either([3, streams], [1, others]) : either([1, streams], [7, others])
  const made = fc.array(fc.tuple(answer, manner), { minLength: 1, maxLength: 6, size: 'max' })
  return made.map((list) => list.map(([make, how], index) => script(`«${index}»`, make, how)))
}

function script(marker: string, make: Answer, manner: Manner): Script {
  const { answer, body } = make(marker)
  const sent = manner.endsEarly ? earlyEnd(answer, body, manner) : body.length
  const isSmall = body.length < 20_000
  const pieces = isSmall ? manner.pieces : [100_000]
  const isSlow = manner.isSlow && isSmall && body.length / Math.min(...pieces) < 300
  const end = possibleEnd(answer, manner.end, body.subarray(0, sent))
  const how = { wait: manner.wait, pieces, isSlow, sent, end }
  const said = body
    .subarray(0, sent)
    .toString()
    .replace(/\.{9,}/g, '…')
  const headers = JSON.stringify(answer, (name, value) => (name === 'events' ? undefined : value))
  const tell = () => `${JSON.stringify(how)} ${headers} ${JSON.stringify(said)}\n`
  return { ...how, answer, body, [fc.toStringMethod]: tell }
}

function earlyEnd(answer: Script['answer'], body: Buffer, manner: Manner): number {
  const { at, bytesBeforeBorder } = manner
  if (answer.kind !== 'stream' || bytesBeforeBorder === null) return at % (body.length + 1)
  const upTo = answer.events.slice(0, 1 + (at % answer.events.length)).map(({ text }) => text)
  return Math.max(0, Buffer.byteLength(upTo.join('')) - bytesBeforeBorder)
}

function possibleEnd(answer: Script['answer'], end: Script['end'], sent: Buffer): Script['end'] {
  if (answer.kind === 'none' && end === 'finish') return 'cut'
  // The upstream is given a second after it has said its last word, which tests elsewhere wait for.
  const isSaid = sent.includes('message_stop') || sent.includes('event: error')
  return answer.kind === 'stream' && end === 'stall' && isSaid ? 'finish' : end
}
