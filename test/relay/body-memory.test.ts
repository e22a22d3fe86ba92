/** What request bodies take of the memory of one process. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createTestAdmin, createTestGateway, type TestGateway } from '../support/gateway.ts'
import { createManualClock, type ManualClock } from '../support/manual-clock.ts'
import {
  anthropicJson,
  anthropicStream,
  startUpstream,
  type Upstream,
} from '../support/upstream.ts'

const megabyte = 1024 * 1024
const text = (stream: boolean) =>
  JSON.stringify({
    model: 'claude-sonnet-4-6',
    stream,
    messages: [],
    pad: 'x'.repeat(0.8 * megabyte),
  })

let clock: ManualClock
let upstream: Upstream
let gateway: TestGateway
let key: string

beforeEach(async () => {
  upstream = await startUpstream()
  clock = createManualClock(Date.UTC(2026, 10, 22))
  gateway = createTestGateway({ clock, config: { BODY_MEMORY_BYTES: String(megabyte) } })
  const admin = createTestAdmin(gateway)
  await admin.createAccount({ apiUrl: upstream.url })
  ;({ key } = await admin.createKey())
})
afterEach(async () => {
  await gateway.close()
  await upstream.close()
})

/** A request whose body comes when the test says so. */
function upload(body = text(false), length = body.length) {
  let go = () => {}
  let isAsked = false
  const bytes = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        isAsked = true
        await new Promise<void>((resolve) => {
          go = resolve
        })
        controller.enqueue(new TextEncoder().encode(body))
        controller.close()
      },
    },
    { highWaterMark: 0 },
  )
  const headers = {
    'x-api-key': key,
    'content-type': 'application/json',
    'content-length': `${length}`,
  }
  const request = { method: 'POST', headers, body: bytes, duplex: 'half' } as const
  const answer = Promise.resolve(gateway.app.request('/v1/messages', request))
  return { answer, isAsked: () => isAsked, send: () => go() }
}

/** Lets time pass until `isDone`. */
async function untilDone(isDone: () => boolean) {
  await expect
    .poll(() => {
      clock.advance(200)
      return isDone()
    })
    .toBe(true)
}

/** Lets time pass until there is an answer. */
async function answered({ answer }: ReturnType<typeof upload>): Promise<Response> {
  let response: Response | undefined
  void answer.then((given) => {
    response = given
  })
  await untilDone(() => response !== undefined)
  return answer
}

it('a second upload beyond it is not read until the first has its answer', async () => {
  upstream.respond(anthropicJson())
  const first = upload()
  await expect.poll(first.isAsked).toBe(true)
  const second = upload()
  clock.advance(1_000)
  expect(second.isAsked()).toBe(false)
  first.send()
  await untilDone(second.isAsked)
  expect((await first.answer).status).toBe(200)
  second.send()
  expect((await answered(second)).status).toBe(200)
})

it('a stream that has begun keeps no body', async () => {
  upstream.respond(anthropicStream())
  const first = upload(text(true))
  await expect.poll(first.isAsked).toBe(true)
  first.send()
  await answered(first)
  const second = upload()
  await untilDone(second.isAsked)
  second.send()
  expect((await answered(second)).status).toBe(200)
})

it('an upload that finds no room for ten seconds is answered with 503, and asked to repeat', async () => {
  upstream.respond(anthropicJson())
  const first = upload()
  await expect.poll(first.isAsked).toBe(true)
  const second = upload()
  const refused = await answered(second)
  expect(refused.status).toBe(503)
  expect(refused.headers.get('retry-after')).toBe('1')
  expect(second.isAsked()).toBe(false)
  expect(gateway.logged('failed')).toEqual([])
  first.send()
  await answered(first)
})

it.each(['{"model":', '{"model":"m","stream":1}'])(
  'a body that is refused is kept no longer: %s',
  async (body) => {
    for (let i = 0; i < 3; i++) {
      const refused = upload(body, megabyte)
      await expect.poll(refused.isAsked).toBe(true)
      refused.send()
      expect((await refused.answer).status).toBe(400)
    }
  },
)

describe('uploads that declare no length', () => {
  /** Sends its first bytes, and the rest when the test says so. */
  function chunked(pieces: string[]) {
    let taken = 0
    let go = () => {}
    const bytes = new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          const piece = pieces[taken]
          if (piece === undefined) return controller.close()
          if (taken > 0) {
            await new Promise<void>((resolve) => {
              go = resolve
            })
          }
          taken++
          controller.enqueue(new TextEncoder().encode(piece))
        },
      },
      { highWaterMark: 0 },
    )
    const headers = { 'x-api-key': key, 'content-type': 'application/json' }
    const request = { method: 'POST', headers, body: bytes, duplex: 'half' } as const
    const answer = Promise.resolve(gateway.app.request('/v1/messages', request))
    return { answer, taken: () => taken, send: () => go() }
  }

  const whole = (padBytes: number) =>
    JSON.stringify({ model: 'claude-sonnet-4-6', messages: [], pad: 'x'.repeat(padBytes) })

  it('are read side by side when they are small', async () => {
    await gateway.close()
    gateway = createTestGateway({ clock, config: { BODY_MEMORY_BYTES: String(8 * megabyte) } })
    const admin = createTestAdmin(gateway)
    await admin.createAccount({ apiUrl: upstream.url })
    ;({ key } = await admin.createKey())
    upstream.respond(anthropicJson())
    const uploads = Array.from({ length: 8 }, () =>
      chunked([whole(10).slice(0, 20), whole(10).slice(20)]),
    )
    await expect.poll(() => uploads.map(({ taken }) => taken())).toEqual(Array(8).fill(1))
    for (const { send } of uploads) send()
    const answers = await Promise.all(uploads.map(({ answer }) => answer))
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200))
  })

  it('that grow until they exhaust the memory together end one by one, the last with 503', async () => {
    await gateway.close()
    gateway = createTestGateway({ clock, config: { BODY_MEMORY_BYTES: String(2 * megabyte) } })
    const admin = createTestAdmin(gateway)
    await admin.createAccount({ apiUrl: upstream.url })
    ;({ key } = await admin.createKey())
    upstream.respond(anthropicJson())
    const text = whole(1.5 * megabyte)
    const [first, last] = [0, 1].map(() => chunked([text.slice(0, 20), text.slice(20)]))
    await expect.poll(() => [first?.taken(), last?.taken()]).toEqual([1, 1])
    first?.send()
    last?.send()
    const statuses: number[] = []
    void first?.answer.then(({ status }) => statuses.push(status))
    void last?.answer.then(({ status }) => statuses.push(status))
    await untilDone(() => statuses.length === 2)
    expect(statuses).toEqual([503, 200])
  })
})
