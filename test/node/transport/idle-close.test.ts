import type { Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { trustCertificate } from '../../support/certificate.ts'
import { createTestAdmin, createTestGateway } from '../../support/gateway.ts'
import { createBench } from '../../support/proxied.ts'
import { type Protocol, startProxy, startSecureUpstream } from '../../support/proxies.ts'
import { startRawUpstream } from '../../support/raw-upstream.ts'
import {
  anthropicJson,
  type Behaviour,
  hang,
  json,
  startUpstream,
  whenAll,
} from '../../support/upstream.ts'
import { settled, until } from '../../support/wait.ts'

const { keep, client, closeAll } = createBench()
afterEach(closeAll)

const answered = json(200, { ok: true })
const close =
  (how: 'reset' | 'end'): Behaviour =>
  ({ cut }) =>
    cut(how)

/** An upstream whose every answer and the connection that it went to are recorded. */
async function upstreamOf(...behaviours: Behaviour[]) {
  const upstream = await keep(startUpstream())
  const ports: unknown[] = []
  const recorded = behaviours.map(
    (behaviour): Behaviour =>
      (exchange) => {
        ports.push(exchange.response.socket?.remotePort)
        return behaviour(exchange)
      },
  )
  upstream.respond(...recorded)
  return { ...upstream, ports, connections: () => new Set(ports).size }
}

const post = (body: string) => ({
  method: 'POST',
  body: new TextEncoder().encode(body),
})

describe('a connection that the upstream closes at the moment of its reuse', () => {
  it.each(['reset', 'end'] as const)('by a %s is opened anew, once', async (how) => {
    const upstream = await upstreamOf(answered, close(how), answered)
    const { get } = client()
    await (await get(upstream.url, undefined, post('{"n":1}'))).text()
    await settled()
    const response = await get(upstream.url, undefined, post('{"n":2}'))
    expect(await response.json()).toEqual({ ok: true })
    expect(upstream.requests.map(({ body }) => body.toString())).toEqual([
      '{"n":1}',
      '{"n":2}',
      '{"n":2}',
    ])
    expect(upstream.ports[1]).toBe(upstream.ports[0])
    expect(upstream.connections()).toBe(2)
  })

  it('is opened anew even where other idle connections are at hand', async () => {
    const both = whenAll(2, answered)
    const upstream = await upstreamOf(both, both, close('reset'), answered)
    const { get } = client()
    await Promise.all([1, 2].map(async () => (await get(upstream.url, undefined)).text()))
    await settled()
    expect(await (await get(upstream.url, undefined)).json()).toEqual({ ok: true })
    expect(upstream.ports.slice(0, 2)).toContain(upstream.ports[2])
    expect(upstream.ports.slice(0, 3)).not.toContain(upstream.ports[3])
  })

  it('gets a large body once more in full', async () => {
    const upstream = await upstreamOf(answered, close('reset'), answered)
    const { get } = client()
    await (await get(upstream.url, undefined)).text()
    await settled()
    const body = 'every byte '.repeat(20_000)
    expect((await get(upstream.url, undefined, post(body))).status).toBe(200)
    expect(upstream.requests.at(-1)?.body.toString()).toBe(body)
  })

  it('fails the request when the new connection is closed too', async () => {
    const upstream = await upstreamOf(answered, close('reset'))
    const { get } = client()
    await (await get(upstream.url, undefined)).text()
    await settled()
    await expect(get(upstream.url, undefined)).rejects.toMatchObject({ code: 'ECONNRESET' })
    expect(upstream.requests).toHaveLength(3)
  })

  it('is not opened anew for a request that was aborted', async () => {
    const upstream = await upstreamOf(answered, hang())
    const { get } = client()
    await (await get(upstream.url, undefined)).text()
    await settled()
    const abort = new AbortController()
    const asked = get(upstream.url, undefined, { signal: abort.signal })
    await until(() => upstream.requests.length === 2)
    abort.abort(new Error('the client left'))
    await expect(asked).rejects.toThrow('the client left')
    await settled()
    expect(upstream.requests).toHaveLength(2)
  })

  it('is not opened anew by a transport that is closed', async () => {
    const upstream = await upstreamOf(answered, hang())
    const transport = client()
    await (await transport.get(upstream.url, undefined)).text()
    await settled()
    const asked = transport.get(upstream.url, undefined)
    await until(() => upstream.requests.length === 2)
    await Promise.all([expect(asked).rejects.toThrow(), transport.close()])
    await settled()
    expect(upstream.requests).toHaveLength(2)
  })
})

describe('a request is not sent again', () => {
  it.each(['reset', 'end'] as const)('when a new connection is closed by a %s', async (how) => {
    const upstream = await upstreamOf(close(how), answered)
    await expect(client().get(upstream.url, undefined)).rejects.toThrow()
    expect(upstream.requests).toHaveLength(1)
  })

  it('when one byte of an answer has come', async () => {
    const requests: string[] = []
    const upstream = await keep(
      startRawUpstream((socket, request) => {
        requests.push(request)
        if (requests.length === 1) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
        else socket.end('H')
      }),
    )
    const { get } = client()
    await (await get(upstream.url, undefined)).text()
    await settled()
    await expect(get(upstream.url, undefined)).rejects.toThrow()
    expect(requests).toHaveLength(2)
  })

  it('when the upstream has had it for five seconds', async () => {
    let nowMs = 0
    const upstream = await upstreamOf(
      answered,
      ({ cut }) => {
        nowMs += 5_000
        cut('reset')
      },
      answered,
    )
    const { get } = client({ monotonicMs: () => nowMs })
    await (await get(upstream.url, undefined)).text()
    await settled()
    await expect(get(upstream.url, undefined)).rejects.toMatchObject({ code: 'ECONNRESET' })
    expect(upstream.requests).toHaveLength(2)
  })
})

describe('through a proxy', () => {
  let distrust: () => void
  beforeAll(() => {
    distrust = trustCertificate()
  })
  afterAll(() => distrust())

  const routes: [Protocol, 'http' | 'https'][] = [
    ['http', 'http'],
    ['https', 'https'],
    ['socks5', 'https'],
  ]

  it.each(routes)('%s, an %s connection closed while idle is opened anew', async (via, scheme) => {
    let requests = 0
    const answer = (socket: Socket) => {
      requests += 1
      if (requests === 2) socket.end()
      else socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
    }
    const upstream = await keep(
      scheme === 'https' ? startSecureUpstream(answer) : startRawUpstream(answer),
    )
    const proxy = await keep(startProxy(via))
    const { get } = client()
    await (await get(upstream.url, proxy.outbound())).text()
    await settled()
    expect(await (await get(upstream.url, proxy.outbound())).text()).toBe('ok')
    expect([requests, proxy.connections()]).toEqual([3, 2])
    await until(() => proxy.open() <= 1)
  })
})

it('a relayed request that is sent again counts no failure of the account', async () => {
  const upstream = await upstreamOf(anthropicJson(), close('reset'), anthropicJson())
  const gateway = createTestGateway()
  const admin = createTestAdmin(gateway)
  const account = await admin.createAccount({ apiUrl: upstream.url })
  const { key } = await admin.createKey()
  const ask = async () => {
    const response = await gateway.app.request('/v1/messages', {
      method: 'POST',
      headers: { 'x-api-key': key, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'claude-sonnet-4-5', max_tokens: 8, messages: [] }),
    })
    await response.text()
    await settled()
    return response.status
  }
  expect([await ask(), await ask()]).toEqual([200, 200])
  await gateway.deferred()
  expect(upstream.requests).toHaveLength(3)
  expect(gateway.logged('attempt_failed')).toEqual([])
  const { json: available } = await admin.call(
    'GET',
    `/accounts/claude-console/${account.id}/availability`,
  )
  expect(available).toMatchObject({ available: true })
  await gateway.close()
})
