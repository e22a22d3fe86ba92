/** A client that leaves a stream it waits for is settled once, and costs nobody a connection or a place. */
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { anthropicStream, hang } from '../../support/upstream.ts'
import { createVirtualTime, type VirtualTime } from '../../support/virtual-time.ts'
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
    const { room, time } = await openVirtualRoom()
    const answer = onCall(anthropicStream())
    room.upstream.respond(answer.behaviour)
    const response = await begun(room, time)
    await time.pass(3 * intervalMs)
    answer.begin()
    await expect.poll(() => room.upstream.served[0]?.completed, { timeout: 30_000 }).toBe(true)
    await turns(20)
    await time.pass(30 * intervalMs)
    const { comments, text } = await heard(response)
    expect(comments).toBe(4)
    expect(text).toBe(await saidBy(anthropicStream()))
    expect(await room.total()).toMatchObject({ requests: 1, estimatedRequests: 0 })
  })

  it('without a word, and never reads, is settled when its patience is at an end', async () => {
    const { room, time } = await openVirtualRoom()
    const answer = onCall(anthropicStream({ stallAfterEvents: 4 }))
    room.upstream.respond(answer.behaviour)
    const response = await begun(room, time)
    answer.begin()
    while (!room.upstream.served[0]?.usage) await turn()
    await turns(20)
    await time.pass(9 * 60_000)
    expect(room.gateway.logged('served')).toEqual([])
    await time.pass(2 * 60_000)
    expect(room.gateway.logged('served')).toMatchObject([
      { end: 'client_aborted', estimated: true },
    ])
    expect(await room.upstream.requests[0]?.aborted).toBe(true)
    expect(await room.total()).toMatchObject({ requests: 1, estimatedRequests: 1 })
    await response.body?.cancel()
  })
})

/** A room whose time passes by hand, while its sockets are real. */
async function openVirtualRoom() {
  const time = createVirtualTime(Date.UTC(2026, 2, 2))
  await room.close()
  room = await openWaitingRoom(time)
  return { room, time }
}

/** The answer that a streaming client gets as soon as it had to wait. */
async function begun({ upstream, send }: WaitingRoom, time: VirtualTime): Promise<Response> {
  const asked = send()
  while (upstream.requests.length === 0) await turn()
  await time.pass(intervalMs)
  return asked
}

const turns = async (count: number) => {
  for (let i = 0; i < count; i++) await turn()
}
