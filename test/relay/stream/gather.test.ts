/** How often a fast stream wakes JavaScript, in virtual time: on Workers that is what streams cost. */
import { describe, expect, it } from 'vitest'
import { openByobReader } from '../../../src/byob-reader.ts'
import { createUsageReader } from '../../../src/dialects/anthropic/usage.ts'
import { meter, type StreamEnd } from '../../../src/relay/stream/meter.ts'
import { createManualClock } from '../../support/manual-clock.ts'

const gatherMs = 19
const encoder = new TextEncoder()
const delta = (text: string) =>
  `event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"text":"${text}"}}\n\n`

/** Lets everything run that waits for no timer. */
const settle = () => new Promise((resolve) => setImmediate(resolve))

/** A metered stream of bytes in virtual time, its client, and the counts of its reads and writes. */
function createStage() {
  const clock = createManualClock(1_000)
  let upstream: ReadableByteStreamController | undefined
  const body = new ReadableStream({
    type: 'bytes',
    start(controller) {
      upstream = controller
    },
  })
  const source = openByobReader(body)
  const counts = { reads: 0, writes: 0 }
  const ends: StreamEnd[] = []
  let fed = 0
  const answer = meter({
    stream: {
      held: [],
      rest: {
        ...source,
        read: () => {
          counts.reads++
          return source.read()
        },
      },
      isRefusal: false,
      feed({ length }) {
        fed += length
      },
    },
    usage: createUsageReader(0),
    cutEvent: () => 'event: error\n\n',
    abort: () => {},
    clientSignal: new AbortController().signal,
    watchdog: () => ({ touch: () => {}, stop: () => {} }),
    idleTimeoutMs: 60_000,
    clock,
    gatherMs,
    keepAliveMs: 240_000,
    onEnd: (end) => void ends.push(end),
  })
  const arrivals: { atMs: number; text: string }[] = []
  const read = async () => {
    for await (const bytes of answer) {
      counts.writes++
      arrivals.push({ atMs: clock.monotonicMs(), text: Buffer.from(bytes).toString() })
    }
  }
  const isRead = read()
  return {
    clock,
    counts,
    arrivals,
    ends,
    isRead,
    fedBytes: () => fed,
    send: (text: string) => upstream?.enqueue(encoder.encode(text)),
    close() {
      upstream?.close()
      // A read that waits for bytes of a stream made in JavaScript is ended by its maker.
      const { byobRequest } = upstream as unknown as {
        byobRequest: ReadableStreamBYOBRequest | null
      }
      byobRequest?.respond(0)
    },
    async pass(ms: number) {
      for (let left = ms; left > 0; left--) {
        clock.advance(1)
        await settle()
      }
    },
  }
}

describe('a stream whose reads bring together what has arrived', () => {
  it('wakes JavaScript at most 110 times a second, however fast its deltas come, and loses no byte', async () => {
    const { counts, arrivals, send, pass, close, isRead, fedBytes } = createStage()
    let sent = ''
    const run = async (seconds: number) => {
      for (let i = 0; i < seconds * 500; i++) {
        sent += delta(`${i}`)
        send(delta(`${i}`))
        await pass(2)
      }
    }
    await run(1)
    counts.reads = 0
    counts.writes = 0
    await run(2)
    expect(counts.reads + counts.writes).toBeLessThanOrEqual(2 * 110)
    close()
    await pass(2 * gatherMs)
    await isRead
    expect(arrivals.map(({ text }) => text).join('')).toBe(`${sent}event: error\n\n`)
    expect(fedBytes()).toBe(Buffer.byteLength(sent))
  })

  it('passes what comes after a silence at once, and what follows before the window has ended', async () => {
    const { clock, arrivals, send, pass } = createStage()
    for (let round = 0; round < 3; round++) {
      await pass(500)
      const sentMs = clock.monotonicMs()
      send(delta('first'))
      await settle()
      await pass(3)
      send(delta('second'))
      await pass(gatherMs)
      expect(arrivals.splice(0)).toEqual([
        { atMs: sentMs, text: delta('first') },
        { atMs: sentMs + gatherMs, text: delta('second') },
      ])
    }
  })

  it('holds nothing back when a fast stream falls silent', async () => {
    const { clock, arrivals, send, pass } = createStage()
    for (let i = 0; i < 500; i++) {
      send(delta(`${i}`))
      await pass(2)
    }
    send(delta('last'))
    const lastMs = clock.monotonicMs()
    await pass(60_000)
    const last = arrivals.at(-1)
    expect(last?.text).toContain('"last"')
    expect(last?.atMs).toBeLessThanOrEqual(lastMs + gatherMs)
  })
})
