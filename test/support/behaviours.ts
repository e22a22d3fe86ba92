/** The plain behaviours of a scripted upstream: fixed answers, and the ways not to give one. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Behaviour } from './upstream.ts'

type HeaderFields = Record<string, string | string[]>

/** Answers with these bytes and their length. */
export const bytes =
  (status: number, headers: HeaderFields, body: Uint8Array): Behaviour =>
  ({ response }) => {
    response.writeHead(status, { ...headers, 'content-length': String(body.byteLength) })
    response.end(body)
  }

/** Answers with a JSON document. */
export const json = (status: number, body: unknown, headers: HeaderFields = {}): Behaviour =>
  bytes(
    status,
    { 'content-type': 'application/json', ...headers },
    Buffer.from(JSON.stringify(body)),
  )

/** Answers with a page, as a proxy in front of a broken vendor does. */
export const html = (status: number): Behaviour =>
  bytes(
    status,
    { 'content-type': 'text/html' },
    Buffer.from(`<html><body><h1>${status}</h1></body></html>`),
  )

/** Streams these bytes as server-sent events, in one piece; for recorded fixtures. */
export const sse =
  (body: string | Uint8Array): Behaviour =>
  ({ response }) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.end(body)
  }

/** Sends half of a JSON document: with a length that agrees, or with the whole's and then a cut. */
export const halfJson =
  (options: { matchingLength: boolean }): Behaviour =>
  ({ response, spoil, cut }) => {
    spoil()
    const whole = Buffer.from(JSON.stringify({ type: 'message', content: 'x'.repeat(200) }))
    const half = whole.subarray(0, whole.length / 2)
    const length = options.matchingLength ? half.length : whole.length
    response.writeHead(200, {
      'content-type': 'application/json',
      'content-length': String(length),
    })
    if (options.matchingLength) response.end(half)
    else response.write(half, () => cut('end'))
  }

/** Breaks the connection before any header. */
export const reset =
  (): Behaviour =>
  ({ cut }) =>
    cut('reset')

/** Never answers; the client has to leave. */
export const hang = (): Behaviour => () => {}

/** A behaviour that waits until `begin` is called. */
export function onCall(behaviour: Behaviour): { behaviour: Behaviour; begin: () => void } {
  const { promise: called, resolve: begin } = Promise.withResolvers<void>()
  return {
    behaviour: async (exchange) => {
      await called
      await behaviour(exchange)
    },
    begin: () => begin(),
  }
}

/** Answers with `behaviour` once `count` requests have arrived, all at once from then on. */
export function whenAll(count: number, behaviour: Behaviour): Behaviour {
  const answer = onCall(behaviour)
  let arrived = 0
  return (exchange) => {
    arrived += 1
    if (arrived === count) answer.begin()
    return answer.behaviour(exchange)
  }
}

/** Waits before it behaves, unless the client leaves. */
export const after =
  (delayMs: number, behaviour: Behaviour): Behaviour =>
  async (exchange) => {
    await delay(delayMs, undefined, { signal: exchange.over })
    await behaviour(exchange)
  }
