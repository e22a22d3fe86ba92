/** A streaming client hears comments while nobody has answered yet, and then one answer or one error. */
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { anthropic } from '../../../src/dialects/anthropic/messages.ts'
import { asResponse } from '../../../src/http-message.ts'
import { sendKeepAlives } from '../../../src/relay/stream/keep-alive.ts'
import { anthropicJson, anthropicStream, bytes, html, json, reset } from '../../support/upstream.ts'
import {
  comment,
  heard,
  intervalMs,
  late,
  onCall,
  openWaitingRoom,
  piecesOf,
  saidBy,
  type WaitingRoom,
} from './waiting-room.ts'

let room: WaitingRoom

beforeEach(async () => {
  room = await openWaitingRoom()
})
afterEach(async () => {
  await room.close()
})

/** The one event of `text`, which is an error. */
function errorIn(text: string) {
  expect(text).toMatch(/^event: error\ndata: .+\n\n$/)
  return JSON.parse(text.slice(text.indexOf('{')))
}

describe('a client that waits for a stream', () => {
  it('hears comments from the interval on, and then the answer as it is', async () => {
    const answer = onCall(anthropicStream())
    room.upstream.respond(answer.behaviour)
    const response = await room.send()
    expect(response.status).toBe(200)
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      'x-accel-buffering': 'no',
      'x-request-id': expect.stringMatching(/./),
    })
    const pieces = piecesOf(response)
    for (let comments = 0; comments < 3; comments++) expect(await pieces.next()).toBe(comment)
    answer.begin()
    let text = ''
    for (let more = await pieces.next(); more !== undefined; more = await pieces.next())
      text += more
    while (text.startsWith(comment)) text = text.slice(comment.length)
    expect(text).toBe(await saidBy(anthropicStream()))
    expect(await room.total()).toMatchObject({ requests: 1, estimatedRequests: 0 })
  })

  it('notices nothing of the accounts that fail behind it', async () => {
    room.upstream.respond(late(json(529, {})), late(reset()), anthropicStream())
    const { comments, text } = await heard(await room.send())
    expect(comments).toBeGreaterThan(0)
    expect(text).toBe(await saidBy(anthropicStream()))
    expect(room.upstream.requests).toHaveLength(3)
    expect(await room.total()).toMatchObject({ requests: 1, estimatedRequests: 0 })
  })

  it('is told by one event when every account has failed', async () => {
    Object.assign(room.gateway.runtime.config, { SOLE_ACCOUNT_RETRY_SECONDS: 0 })
    room.upstream.respond(late(json(529, {})), json(500, {}), html(404))
    const response = await room.send()
    expect(errorIn((await heard(response)).text)).toEqual({
      type: 'error',
      error: { type: 'api_error', message: expect.stringContaining('try again') },
      request_id: response.headers.get('x-request-id'),
    })
    expect(room.gateway.logged('error_answered')).toMatchObject([{ code: 'accounts_unavailable' }])
    expect(await room.total()).toMatchObject({ requests: 0 })
  })

  it('is told in the upstream’s words when the request itself is refused', async () => {
    const error = { type: 'invalid_request_error', message: 'prompt is too long', extra: 'é' }
    room.upstream.respond(late(json(400, { type: 'error', error, request_id: 'req_upstream' })))
    const told = errorIn((await heard(await room.send())).text)
    expect(told).toEqual({ type: 'error', error, request_id: 'req_upstream' })
    expect(room.upstream.requests).toHaveLength(1)
    expect(await room.total()).toMatchObject({ requests: 0 })
  })

  it.each([
    ['no JSON', html(422), 'invalid_request_error'],
    ['JSON without an error', json(400, { detail: 'no' }), 'invalid_request_error'],
    ['too long', bytes(413, {}, Buffer.alloc(1_100_000)), 'request_too_large'],
  ])('is not told to repeat a request whose refusal is %s', async (_, refusal, type) => {
    room.upstream.respond(late(refusal))
    expect(errorIn((await heard(await room.send())).text).error.type).toBe(type)
  })

  it('gets a document as events, once it was told that a stream comes', async () => {
    room.upstream.respond(late(anthropicJson()))
    expect((await heard(await room.send())).text).toMatch(
      /^event: message_start[\s\S]+message_stop"}\n\n$/,
    )
    expect(await room.total()).toMatchObject({ requests: 1, estimatedRequests: 0 })
  })

  it('is told when the store is lost meanwhile, and holds nothing when it is back', async () => {
    room.upstream.respond(
      late((exchange) => {
        room.loseStore(true)
        return json(529, {})(exchange)
      }),
      anthropicStream(),
    )
    const { comments, text } = await heard(await room.send())
    expect(comments).toBeGreaterThan(0)
    expect(errorIn(text).error.type).toBe('api_error')
    expect(room.gateway.logged('failed')).toMatchObject([{ code: 'store_unavailable' }])
    room.loseStore(false)
    await room.gateway.deferred()
    expect((await heard(await room.send())).text).toContain('message_stop')
  })

  it('is told of a fault of the gateway’s own, which is logged', async () => {
    const fault = delay(2 * intervalMs).then((): Response => {
      throw new TypeError('x is not a function')
    })
    const abortClient = () => {}
    const names = { requestId: 'r', keyId: 'k' }
    const options = { dialect: anthropic, ...names, intervalMs, abortClient }
    const answer = await sendKeepAlives(room.gateway.runtime, fault, options)
    const { text } = await heard(asResponse(answer))
    expect(errorIn(text).error).toEqual({ type: 'api_error', message: 'The gateway failed' })
    const error = 'TypeError: x is not a function'
    expect(room.gateway.logged('failed')).toMatchObject([
      { ...names, code: 'internal', error, stack: expect.stringContaining('keep-alive.test.ts') },
    ])
  })
})

describe('a client whose answer pauses', () => {
  it('hears comments between two events, and otherwise the answer as it is', async () => {
    Object.assign(room.gateway.runtime.config, { STREAM_KEEPALIVE_SECONDS: 4 / 1000 })
    room.upstream.respond(anthropicStream({ delayMs: 20, chunking: 'event' }))
    const pieces = (await (await room.send()).text()).split(comment)
    expect(pieces.length).toBeGreaterThan(2)
    for (const piece of pieces) expect(piece).toMatch(/^$|\n\n$/)
    expect(pieces.join('')).toBe(await saidBy(anthropicStream()))
    expect(await room.total()).toMatchObject({ requests: 1, estimatedRequests: 0 })
  })
})

describe('a client that has not had to wait', () => {
  it.each([
    ['a refusal', json(400, { error: { type: 'invalid_request_error' } }), 400],
    ['a failure of every account', json(529, {}), 529],
  ])('sees the status of %s', async (_, behaviour, status) => {
    const settings = { STREAM_KEEPALIVE_SECONDS: 10, SOLE_ACCOUNT_RETRY_SECONDS: 0 }
    Object.assign(room.gateway.runtime.config, settings)
    room.upstream.respond(behaviour)
    const response = await room.send()
    expect(response.status).toBe(status)
    expect(response.headers.get('content-type')).toBe('application/json')
    expect(await response.json()).toMatchObject({})
  })

  it('hears no comment when it asked for a document, however long that takes', async () => {
    room.upstream.respond(late(anthropicJson()))
    const response = await room.send({ stream: false })
    expect(response.headers.get('content-type')).toBe('application/json')
    expect(await response.json()).toMatchObject({ type: 'message' })
  })
})
