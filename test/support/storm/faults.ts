/** Every way in which an account may fail before its answer has begun, and what must come of it. */
import { anthropicStream, type StreamScript } from '../anthropic.ts'
import { bytes, halfJson, hang, html, json, reset, sse } from '../behaviours.ts'
import type { Behaviour } from '../upstream.ts'
import type { Draw } from './draw.ts'

/** One failure as it was drawn. */
export interface Fault {
  behaviour: Behaviour
  /** The end that it names, in epoch ms; absent where it names none. */
  endMs?: number
}

/** What a drawn failure may depend on. */
export interface FaultChance {
  draw: Draw
  nowMs: number
  /** A host that must never be called. */
  trapUrl: string
}

export type Reason =
  | 'connect_failed'
  | 'timeout'
  | 'server_error'
  | 'bad_answer'
  | 'overloaded'
  | 'rate_limited'
  | 'account_refused'

export interface FaultKind {
  name: string
  /** Which requests it can befall. */
  befalls: 'any' | 'stream' | 'json'
  reason: Reason
  /** What rests for it. */
  scope: 'account' | 'family'
  /** The gateway learns of it only by waiting. */
  waits: boolean
  draw(chance: FaultChance): Fault
}

const second = 1_000
const minute = 60 * second

/** What the accounts of a storm rest for a rate limit that names no end. */
export const rateLimitMinutes = 7

type Options = Partial<Pick<FaultKind, 'befalls' | 'scope' | 'waits'>>

const kind = (
  name: string,
  reason: Reason,
  draw: (chance: FaultChance) => Behaviour | Fault,
  { befalls = 'any', scope = 'account', waits = false }: Options = {},
): FaultKind => ({
  name,
  reason,
  befalls,
  scope,
  waits,
  draw(chance) {
    const drawn = draw(chance)
    return typeof drawn === 'function' ? { behaviour: drawn } : drawn
  },
})

const family = { scope: 'family' } as const
const stream = { befalls: 'stream' } as const

const errorBody = (type: string, message = 'no') => ({ type: 'error', error: { type, message } })
const limited = errorBody('rate_limit_error')

/** Tokens that nobody may ever see in the usage ledger. */
const wrongUsage = { input_tokens: 777_777, output_tokens: 888_888 }

/** A message that is longer than what the transport holds back, or short. */
const message = (length: number) =>
  JSON.stringify({ type: 'message', content: 'x'.repeat(length), usage: wrongUsage })

const broken = (script: StreamScript) => anthropicStream({ ...script, usage: wrongUsage })

/** A JSON answer without a length, of which a part arrives before the connection breaks or is silent. */
const partOfJson =
  (length: number, then: 'cut' | 'silence'): Behaviour =>
  ({ response, spoil, cut }) => {
    spoil()
    response.writeHead(200, { 'content-type': 'application/json' })
    response.write(message(length).slice(0, length / 2), () => {
      if (then === 'cut') cut('end')
    })
  }

const cutLongJson: Behaviour = ({ response, spoil, cut }) => {
  spoil()
  const whole = message(100_000)
  response.writeHead(200, {
    'content-type': 'application/json',
    'content-length': String(whole.length),
  })
  response.write(whole.slice(0, 80_000), () => cut('end'))
}

/** The next whole second that is so many seconds away, as dates and unix times name it. */
const wholeSecond = (nowMs: number, seconds: number) =>
  (Math.ceil(nowMs / second) + seconds) * second

/** A status in the vendor's words, or on the page of something in front of it. */
const told =
  (status: number, type: string) =>
  ({ draw }: FaultChance) =>
    draw.percent(50) ? json(status, errorBody(type)) : html(status)

const rateLimits: FaultKind[] = [
  kind(
    '429 retry-after seconds',
    'rate_limited',
    ({ draw, nowMs }) => {
      const seconds = 1 + draw.below(40)
      const behaviour = json(429, limited, { 'retry-after': String(seconds) })
      return { behaviour, endMs: nowMs + seconds * second }
    },
    family,
  ),
  kind(
    '429 retry-after date',
    'rate_limited',
    ({ draw, nowMs }) => {
      const endMs = wholeSecond(nowMs, 2 + draw.below(40))
      const date = new Date(endMs).toUTCString()
      return { behaviour: json(429, limited, { 'retry-after': date }), endMs }
    },
    family,
  ),
  kind(
    '429 reset of requests',
    'rate_limited',
    ({ draw, nowMs }) => {
      const endMs = wholeSecond(nowMs, 2 + draw.below(40))
      const behaviour = json(429, limited, {
        'anthropic-ratelimit-requests-remaining': '0',
        'anthropic-ratelimit-requests-reset': new Date(endMs).toISOString(),
        'anthropic-ratelimit-tokens-remaining': '90000',
        'anthropic-ratelimit-tokens-reset': new Date(endMs + minute).toISOString(),
      })
      return { behaviour, endMs }
    },
    family,
  ),
  kind('429 reset of subscription', 'rate_limited', ({ draw, nowMs }) => {
    const endMs = wholeSecond(nowMs, 2 + draw.below(40))
    const behaviour = json(429, limited, {
      'anthropic-ratelimit-unified-status': 'rejected',
      'anthropic-ratelimit-unified-representative-claim': 'five_hour',
      'anthropic-ratelimit-unified-reset': String(endMs / second),
    })
    return { behaviour, endMs }
  }),
  kind('429 without an end', 'rate_limited', () => json(429, limited), family),
  kind('429 insufficient_quota', 'account_refused', () =>
    json(429, { error: { type: 'insufficient_quota', code: 'insufficient_quota', message: 'no' } }),
  ),
]

const refusals: FaultKind[] = [
  kind('401', 'account_refused', told(401, 'authentication_error')),
  kind('402', 'account_refused', told(402, 'billing_error')),
  kind('403', 'account_refused', () => json(403, errorBody('permission_error'))),
  kind('403 page', 'bad_answer', () => html(403)),
  kind('400 disabled organisation', 'account_refused', () =>
    json(400, errorBody('invalid_request_error', 'This organization has been disabled.')),
  ),
  kind('400 credit balance', 'account_refused', () =>
    json(
      400,
      errorBody(
        'invalid_request_error',
        'Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.',
      ),
    ),
  ),
]

const serverErrors: FaultKind[] = [
  kind('408', 'timeout', () => json(408, errorBody('timeout_error'))),
  kind('500', 'server_error', () => json(500, errorBody('api_error'))),
  kind('502 page', 'server_error', () => html(502)),
  kind('503', 'server_error', () => json(503, errorBody('api_error'))),
  kind('504 page', 'server_error', () => html(504)),
  kind('529', 'overloaded', () => json(529, errorBody('overloaded_error')), family),
]

const wrongAnswers: FaultKind[] = [
  kind('redirect to another host', 'bad_answer', ({ draw, trapUrl }) => {
    const status = draw.pick([301, 302, 303, 307, 308])
    return bytes(status, { location: `${trapUrl}/v1/messages` }, Buffer.from(''))
  }),
  kind('404 page', 'bad_answer', () => html(404)),
  kind('200 page', 'bad_answer', () => html(200)),
  kind('200 error JSON', 'overloaded', () => json(200, errorBody('api_error')), family),
  kind('half JSON, whole length', 'connect_failed', () => halfJson({ matchingLength: false })),
  kind('half JSON, half length', 'bad_answer', () => halfJson({ matchingLength: true })),
  kind('JSON cut, no length', 'connect_failed', () => partOfJson(400, 'cut')),
  kind('JSON cut, 80 KB in', 'connect_failed', () => cutLongJson),
  kind('JSON stalls', 'timeout', () => partOfJson(400, 'silence'), {
    befalls: 'json',
    waits: true,
  }),
]

const brokenStreams: FaultKind[] = [
  kind('stream errors at once', 'overloaded', () => broken({ errorFirst: true }), {
    ...family,
    ...stream,
  }),
  kind('stream errors early', 'overloaded', () => broken({ errorAfterEvents: 1 }), {
    ...family,
    ...stream,
  }),
  kind('stream ends early', 'overloaded', () => broken({ endAfterEvents: 1 }), {
    ...family,
    ...stream,
  }),
  kind('stream is empty', 'overloaded', () => sse(''), { ...family, ...stream }),
  kind('stream is cut early', 'connect_failed', () => broken({ cutAfterEvents: 1 }), stream),
  kind('stream stalls early', 'overloaded', () => broken({ stallAfterEvents: 1 }), {
    ...family,
    ...stream,
    waits: true,
  }),
]

/** The whole table, but for the failures that an address alone decides. */
export const faultKinds: readonly FaultKind[] = [
  kind('reset', 'connect_failed', reset),
  kind('no headers', 'timeout', hang, { waits: true }),
  ...refusals,
  ...rateLimits,
  ...serverErrors,
  ...wrongAnswers,
  ...brokenStreams,
]

/** Failures of an address: nobody listens there, or somebody who does not speak TLS. */
export const addressFaults = ['connection refused', 'TLS garbage'] as const
