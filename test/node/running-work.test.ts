import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createRunningWork, drain } from '../../src/node/running-work.ts'
import { createManualClock } from '../support/manual-clock.ts'

let server: Server
let requests = 0
let answer: (() => void) | undefined
beforeEach(async () => {
  requests = 0
  server = createServer((_request, response) => {
    requests++
    answer = () => void response.end('done')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterEach(() => server.closeAllConnections())

/** A client with one request that is not answered yet; resolves to all it receives until the end. */
async function openRequest() {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  let received = ''
  socket.on('data', (bytes) => {
    received += bytes
  })
  socket.on('error', () => {})
  const ended = once(socket, 'close').then(() => received)
  await expect.poll(() => requests).toBe(1)
  return { ended }
}

/** Whether a promise has settled by now, after a few turns of the event loop. */
async function hasSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  const settle = () => {
    settled = true
  }
  promise.then(settle, settle)
  for (let turns = 0; turns < 10; turns++) await turn()
  return settled
}

describe('the drain of a server', () => {
  it('lets a request end, and then closes the connection that the client keeps alive', async () => {
    const clock = createManualClock()
    const { ended } = await openRequest()
    const drained = drain(server, createRunningWork(), 10_000, clock)
    clock.advance(9_999)
    expect(await hasSettled(drained)).toBe(false)
    answer?.()
    // The next look for idle connections closes it.
    while (!(await hasSettled(drained))) clock.advance(0.05)
    expect(await ended).toContain('done')
    expect(clock.pending()).toBe(0)
  })

  it('tells requests to end when its time is over, and closes their connections a second later', async () => {
    const clock = createManualClock()
    const { ended } = await openRequest()
    const running = createRunningWork()
    let told = 0
    running.add(ended, () => told++)
    const drained = drain(server, running, 10_000, clock)
    clock.advance(9_999)
    expect(told).toBe(0)
    clock.advance(1)
    expect(told).toBe(1)
    clock.advance(999)
    expect(await hasSettled(ended)).toBe(false)
    clock.advance(1)
    expect(await ended).toBe('')
    await drained
    expect(clock.pending()).toBe(0)
  })

  it('tells requests to end that begin when its time is over', () => {
    const running = createRunningWork()
    running.breakOff()
    let told = 0
    running.start().onBreakOff(() => told++)
    expect(told).toBe(1)
  })

  it('waits two seconds more for what the requests have deferred', async () => {
    const clock = createManualClock()
    const running = createRunningWork()
    running.add(new Promise(() => {}))
    const drained = drain(server, running, 0, clock)
    await once(server, 'close')
    expect(await hasSettled(drained)).toBe(false)
    clock.advance(1_999)
    expect(await hasSettled(drained)).toBe(false)
    clock.advance(1)
    await drained
  })
})

describe('running work', () => {
  it('is settled when nothing runs, failures included, and what it added meanwhile', async () => {
    const running = createRunningWork()
    const later = Promise.withResolvers<void>()
    running.add(
      Promise.reject(new Error('failed')).catch(() => {
        running.add(later.promise)
        throw new Error('failed again')
      }),
    )
    const settled = running.settled()
    expect(await hasSettled(settled)).toBe(false)
    later.reject(new Error('failed as well'))
    await settled
  })
})
