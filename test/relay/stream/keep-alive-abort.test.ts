/** A client that leaves a stream it waits for is settled once, and costs nobody a connection or a place. */
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { anthropicStream, hang } from '../../support/upstream.ts'
import {
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
  vi.useRealTimers()
  await room.close()
})

describe('a client that leaves', () => {
  const isAsked = () => expect.poll(() => room.upstream.requests.length).toBe(1)
  const isSettledOnce = async () => {
    expect(await Promise.all(room.upstream.requests.map(({ aborted }) => aborted))).toEqual([true])
    expect(await room.total()).toMatchObject({ requests: 1, estimatedRequests: 1 })
    expect(room.gateway.logged('served')).toMatchObject([{ end: 'client_aborted' }])
    room.upstream.respond(anthropicStream())
    expect((await heard(await room.send())).text).toContain('message_stop')
  }

  it('while it waits is settled once, and its upstream is left', async () => {
    room.upstream.respond(hang())
    const response = await room.send()
    await isAsked()
    await response.body?.cancel()
    await isSettledOnce()
  })

  it('by its connection is settled in the same way', async () => {
    room.upstream.respond(hang())
    const leave = new AbortController()
    const response = await room.send({ stream: true }, leave.signal)
    await isAsked()
    leave.abort()
    await isSettledOnce()
    expect((await heard(response)).text).toContain('closed the connection')
  })

  it('after the answer has begun is settled once, and its upstream is left', async () => {
    room.upstream.respond(late(anthropicStream({ stallAfterEvents: 4 })))
    const pieces = piecesOf(await room.send())
    for (let text = ''; !text.includes('content_block_delta'); ) text += await pieces.next()
    await pieces.leave()
    await isSettledOnce()
  })

  it('for a while, and reads on, was not reminded for longer than it had to wait', async () => {
    room.upstream.respond(late(anthropicStream()))
    const response = await room.send()
    await expect.poll(() => room.upstream.served[0]?.completed, { timeout: 5_000 }).toBe(true)
    await delay(30 * intervalMs)
    const { comments, text } = await heard(response)
    expect(comments).toBeLessThan(15)
    expect(text).toBe(await saidBy(anthropicStream()))
    expect(await room.total()).toMatchObject({ requests: 1, estimatedRequests: 0 })
  })

  it('without a word, and never reads, is settled when its patience is at an end', async () => {
    vi.useFakeTimers({
      toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date'],
    })
    const answer = onCall(anthropicStream({ stallAfterEvents: 4 }))
    room.upstream.respond(answer.behaviour)
    const asked = room.send()
    while (room.upstream.requests.length === 0) await turn()
    await vi.advanceTimersByTimeAsync(intervalMs)
    const response = await asked
    answer.begin()
    while (!room.upstream.served[0]?.usage) await turn()
    for (let turns = 0; turns < 20; turns++) await turn()
    await vi.advanceTimersByTimeAsync(9 * 60_000)
    expect(room.gateway.logged('served')).toEqual([])
    await vi.advanceTimersByTimeAsync(2 * 60_000)
    expect(room.gateway.logged('served')).toMatchObject([
      { end: 'client_aborted', estimated: true },
    ])
    expect(await room.upstream.requests[0]?.aborted).toBe(true)
    vi.useRealTimers()
    expect(await room.total()).toMatchObject({ requests: 1, estimatedRequests: 1 })
    await response.body?.cancel()
  })
})
