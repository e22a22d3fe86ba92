import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { trustCertificate } from '../../support/certificate.ts'
import { createBench } from '../../support/proxied.ts'
import {
  credentials,
  type Protocol,
  startProxy,
  startRawProxy,
  startSecureUpstream,
} from '../../support/proxies.ts'
import { startRawUpstream } from '../../support/raw-upstream.ts'
import {
  anthropicStream,
  json,
  startUpstream,
  type Upstream,
  whenAll,
} from '../../support/upstream.ts'
import { settled, until } from '../../support/wait.ts'

const protocols: Protocol[] = ['http', 'https', 'socks5']
const { keep, client, closeAll } = createBench()
const hello = 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello'

let upstream: Upstream
let named: string
let distrust: () => void

beforeAll(async () => {
  distrust = trustCertificate()
  upstream = await startUpstream()
  named = upstream.url.replace('127.0.0.1', 'upstream.example')
})
beforeEach(() => {
  upstream.requests.length = 0
  upstream.respond(json(200, { ok: true }))
})
afterEach(closeAll)
afterAll(async () => {
  distrust()
  await upstream.close()
})

const portOf = (url: string) => new URL(url).port

describe.each(protocols)('through a %s proxy', (protocol) => {
  it('a request reaches an http upstream as it is, and the proxy resolves its name', async () => {
    const proxy = await keep(startProxy(protocol))
    const body = Uint8Array.from(Buffer.alloc(200_000, 'body '))
    const response = await client().get(`${named}/v1/messages?beta=true`, proxy.outbound(), {
      method: 'POST',
      headers: new Headers({ 'x-api-key': 'sk-one' }),
      body,
    })
    expect(await response.json()).toEqual({ ok: true })
    const [request] = upstream.requests
    expect(request).toMatchObject({ method: 'POST', path: '/v1/messages?beta=true' })
    expect(request?.headers).toMatchObject({
      host: `upstream.example:${portOf(named)}`,
      'x-api-key': 'sk-one',
      'content-length': '200000',
    })
    expect(Object.keys(request?.headers ?? {}).filter((name) => /proxy/.test(name))).toEqual([])
    expect(request?.body.equals(body)).toBe(true)
    expect(proxy.targets).toEqual([`upstream.example:${portOf(named)}`])
    expect(proxy.presented).toEqual([])
  })

  it('a request reaches an https upstream, whose certificate is verified', async () => {
    const secure = await keep(startSecureUpstream((socket) => socket.write(hello)))
    const proxy = await keep(startProxy(protocol))
    const { get } = client()
    expect(await (await get(secure.url, proxy.outbound())).text()).toBe('hello')
    expect(proxy.targets).toEqual([`upstream.example:${secure.port}`])
    const other = get(secure.url.replace('upstream', 'other'), proxy.outbound())
    await expect(other).rejects.toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' })
    await until(() => proxy.open() === 1)
  })

  it('credentials are sent as they are, with any characters', async () => {
    const proxy = await keep(startProxy(protocol, { needsAuth: true }))
    const response = await client().get(named, proxy.outbound({ auth: credentials }))
    expect(response.status).toBe(200)
    expect(proxy.presented).toEqual([`${credentials.username}:${credentials.password}`])
  })

  it('a stream arrives byte for byte, each event as it comes', async () => {
    const proxy = await keep(startProxy(protocol))
    const { get } = client()
    upstream.respond(anthropicStream({ deltas: ['grüße', '👋'], chunking: 'byte' }))
    const direct = await (await fetch(upstream.url)).text()
    const proxied = await (await get(named, proxy.outbound())).text()
    expect(proxied).toContain('👋')
    expect(proxied).toBe(direct)

    upstream.respond(anthropicStream({ deltas: ['a', 'b'], stallAfterEvents: 4 }))
    const abort = new AbortController()
    const stalled = await get(named, proxy.outbound(), { signal: abort.signal })
    const reader = stalled.body?.pipeThrough(new TextDecoderStream()).getReader()
    let seen = ''
    while (!seen.includes('"text":"a"')) seen += (await reader?.read())?.value ?? ''
    abort.abort()
    await expect(reader?.read()).rejects.toThrow()
    expect(await upstream.requests.at(-1)?.aborted).toBe(true)
  })

  it('one account reuses its connection', async () => {
    const secure = await keep(startSecureUpstream((socket) => socket.write(hello)))
    const proxy = await keep(startProxy(protocol, { needsAuth: true }))
    const { get } = client()
    for (const url of [named, named, named, secure.url, secure.url, named]) {
      await (await get(url, proxy.outbound({ auth: { ...credentials } }))).text()
      await settled()
    }
    expect(proxy.connections()).toBe(2) // one for each upstream
  })

  it('as many connections are open as requests run at once', async () => {
    const proxy = await keep(startProxy(protocol))
    const { get } = client()
    const round = () => {
      upstream.respond(whenAll(20, json(200, {})))
      return Promise.all(
        Array.from({ length: 20 }, async () => (await get(named, proxy.outbound())).text()),
      )
    }
    await round()
    expect(proxy.connections()).toBe(20)
    await settled()
    await round()
    expect(proxy.connections()).toBeLessThanOrEqual(21)
  })
})

describe.each(['http', 'socks5'] as const)('through a %s proxy', (protocol) => {
  it('an upstream whose certificate is not trusted is refused', async () => {
    const secure = await keep(startSecureUpstream((socket) => socket.write(hello)))
    const proxy = await keep(startProxy(protocol))
    distrust()
    try {
      await expect(client().get(secure.url, proxy.outbound())).rejects.toMatchObject({
        code: 'DEPTH_ZERO_SELF_SIGNED_CERT',
      })
    } finally {
      distrust = trustCertificate()
    }
    await until(() => proxy.open() === 0)
  })
})

describe('connections through proxies', () => {
  const once = async (get: ReturnType<typeof client>['get'], ...rest: Parameters<typeof get>) => {
    await (await get(...rest)).text()
    await settled()
  }

  it('are never shared between accounts', async () => {
    const proxy = await keep(startProxy('http'))
    const { get } = client()
    for (const accountId of ['a', 'b', 'a', 'b', 'c']) {
      await once(get, named, proxy.outbound(), { accountId })
    }
    expect(proxy.connections()).toBe(3)
  })

  it.each<[string, object]>([
    ['user name', { auth: { ...credentials, username: 'other' } }],
    ['password', { auth: { ...credentials, password: 'other' } }],
    ['absence of credentials', { auth: undefined }],
    ['host', { host: 'localhost', auth: credentials }],
  ])('are not reused under another %s', async (_what, change) => {
    const proxy = await keep(startProxy('http'))
    const { get } = client()
    await once(get, named, proxy.outbound({ auth: credentials }))
    await once(get, named, proxy.outbound(change))
    expect(proxy.connections()).toBe(2)
    await once(get, named, proxy.outbound({ auth: credentials }))
    expect(proxy.connections()).toBe(2)
  })

  it('are not shared with requests that use no proxy', async () => {
    const proxy = await keep(startProxy('http'))
    const { get } = client()
    const ports = new Set<number | undefined>()
    upstream.respond(({ response }) => {
      ports.add(response.socket?.remotePort)
      response.end('{}')
    })
    await once(get, upstream.url, proxy.outbound())
    await once(get, upstream.url, undefined)
    await once(get, upstream.url, proxy.outbound())
    expect(ports.size).toBe(2)
    expect(proxy.connections()).toBe(1)
  })

  it('survive a change of the proxy for as long as their request runs', async () => {
    const [before, after] = [await keep(startProxy('http')), await keep(startProxy('socks5'))]
    const { get } = client()
    upstream.respond(anthropicStream({ deltas: Array(20).fill('word '), delayMs: 2 }))
    const running = await get(named, before.outbound())
    upstream.respond(json(200, {}))
    await once(get, named, after.outbound())
    expect(await running.text()).toContain('message_stop')
  })

  it('are opened anew when the upstream has closed the last one', async () => {
    const answer = 'HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok'
    const closing = await keep(startRawUpstream((socket) => socket.end(answer)))
    const proxy = await keep(startProxy('http'))
    const { get } = client()
    for (let round = 0; round < 3; round += 1) {
      expect(await (await get(closing.url, proxy.outbound())).text()).toBe('ok')
      await until(() => proxy.open() === 0)
    }
    expect(proxy.connections()).toBe(3)
  })

  it('end with the transport, those in flight and those being opened too', async () => {
    const proxy = await keep(startProxy('http'))
    const silent = await keep(startRawProxy('http', () => {}))
    const { get, close } = client()
    await once(get, named, proxy.outbound(), { accountId: 'idle' })
    upstream.respond(anthropicStream({ stallAfterEvents: 2 }))
    const running = await get(named, proxy.outbound())
    const opening = get(named, silent.outbound())
    await until(() => silent.open() === 1)
    await Promise.all([
      expect(running.text()).rejects.toThrow(),
      expect(opening).rejects.toThrow(),
      close(),
    ])
    await expect(get(named, proxy.outbound())).rejects.toThrow()
    await until(() => proxy.open() + silent.open() === 0)
  })
})
