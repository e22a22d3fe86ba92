/** The requests of a storm: which key asks for what, in which session, and what a whole answer is. */
import { drawOf } from './draw.ts'

export interface StormKey {
  id: string
  /** The plain gateway key. */
  key: string
}

export interface Order {
  /** Sent as `x-request-id`, which the gateway passes on: it joins all records of the request. */
  id: string
  key: StormKey
  model: string
  family: string
  stream: boolean
  body: string
}

/** An answer as it came over the wire. */
export interface WireAnswer {
  status: number
  requestId: string | undefined
  text: string
}

export type Send = (order: Order) => Promise<WireAnswer>

const models: [model: string, family: string][] = [
  ['claude-opus-4-1-20250805', 'opus'],
  ['claude-sonnet-4-5-20250929', 'sonnet'],
  ['claude-haiku-4-5-20251001', 'haiku'],
]

const sessionsPerKey = 20

const sessionId = (index: number) =>
  `5e551011-0000-4000-8000-${index.toString(16).padStart(12, '0')}`

/** The request of this number, the same on each run. */
export function orderOf(seed: number, index: number, keys: readonly StormKey[]): Order {
  const id = `storm-${seed}-${index}`
  const draw = drawOf(seed, 'order', index)
  const [model, family] = draw.pick(models)
  const stream = draw.percent(50)
  const session = { session_id: sessionId(draw.below(sessionsPerKey)) }
  const inSession = { metadata: { user_id: JSON.stringify(session) } }
  const body = JSON.stringify({
    model,
    max_tokens: 1_024,
    // Without a session of its own, a conversation is told by how it opens.
    messages: [{ role: 'user', content: `${id} ${'asks for something. '.repeat(draw.below(40))}` }],
    ...(draw.percent(60) && inSession),
    ...(stream && { stream }),
  })
  return { id, key: draw.pick(keys), model, family, stream, body }
}

/** What the account `name` says to the request `id`. */
export const sayingOf = (name: string, id: string) => `${name} answers ${id}.`

/** What is wrong with an answer to `order`, which only the account `name` may have given. */
export function flawOf(order: Order, answer: WireAnswer, name: string): string | undefined {
  const { status, requestId, text } = answer
  if (status !== 200) return `status ${status}: ${text.slice(0, 300)}`
  if (requestId !== order.id) return `it is named ${requestId}`
  const said = order.stream ? saidInStream(text) : saidInJson(text)
  const expected = sayingOf(name, order.id)
  return said === expected ? undefined : `it says ${JSON.stringify(said).slice(0, 300)}`
}

function saidInJson(text: string): string {
  try {
    const { type, content } = JSON.parse(text)
    return type === 'message' ? content[0].text : `a ${type}`
  } catch {
    return `no JSON: ${text.slice(0, 200)}`
  }
}

/** The text of a stream that is whole: one message from its start to its stop, and comments. */
function saidInStream(text: string): string {
  if (!text.endsWith('\n\n')) return `an unfinished event: ${text.slice(-200)}`
  const events = text
    .split('\n\n')
    .filter((event) => event !== '' && !event.startsWith(':'))
    .map((event) => JSON.parse(/^data: (.*)$/m.exec(event)?.[1] ?? '{}'))
  const types: unknown[] = events.map(({ type }) => type)
  const once = ['message_start', 'message_stop'].every(
    (type) => types.filter((other) => other === type).length === 1,
  )
  const isWhole = once && types[0] === 'message_start' && types.at(-1) === 'message_stop'
  if (!isWhole || types.includes('error')) return `events ${types.join(' ')}`
  return events.map(({ delta }) => delta?.text ?? '').join('')
}
