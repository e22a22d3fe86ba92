/** No upstream keeps a connection that nobody reads any more: the gateway hangs up. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createTestAdmin, createTestGateway, type TestGateway } from '../support/gateway.ts'
import {
  anthropicStream,
  type Behaviour,
  bytes,
  startUpstream,
  type Upstream,
} from '../support/upstream.ts'

let upstream: Upstream
let gateway: TestGateway
let key: string

beforeEach(async () => {
  upstream = await startUpstream()
  gateway = createTestGateway()
  const admin = createTestAdmin(gateway)
  await admin.createAccount({ apiUrl: upstream.url })
  ;({ key } = await admin.createKey())
})
afterEach(async () => {
  await gateway.close()
  await upstream.close()
})

const send = async () =>
  gateway.app.request('/v1/messages', {
    method: 'POST',
    headers: { 'x-api-key': key, 'content-type': 'application/json' },
    body: '{"model":"claude-sonnet-4-6","messages":[],"stream":true}',
  })

/** The same, but the response never ends. */
const lingering =
  (behaviour: Behaviour): Behaviour =>
  async (exchange) => {
    exchange.response.end = () => exchange.response
    await behaviour(exchange)
  }

describe('an upstream', () => {
  it('whose refusal is too long to show is not read to its end', async () => {
    const page = Buffer.alloc(20_000_000, ' ')
    upstream.respond(bytes(400, { 'content-type': 'application/json' }, page))
    expect((await send()).status).toBe(400)
    expect(await upstream.requests[0]?.aborted).toBe(true)
  })

  it('that has said its last word is left when the client leaves', async () => {
    upstream.respond(lingering(anthropicStream()))
    const reader = (await send()).body?.getReader()
    for (let text = ''; !text.includes('message_stop'); ) {
      text += Buffer.from((await reader?.read())?.value ?? []).toString()
    }
    await reader?.cancel()
    expect(await upstream.requests[0]?.aborted).toBe(true)
    expect(gateway.logged('served')).toMatchObject([{ end: 'complete', estimated: false }])
  })

  it('that reports an error and does not hang up keeps nobody waiting', async () => {
    upstream.respond(lingering(anthropicStream({ errorAfterEvents: 4 })))
    const text = await (await send()).text()
    expect(text).toMatch(/event: error\ndata: .+\n\n$/)
    expect(text.match(/event: error/g)).toHaveLength(1)
    expect(await upstream.requests[0]?.aborted).toBe(true)
  })
})
