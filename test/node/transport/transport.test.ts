import { getEventListeners } from 'node:events'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { UpstreamRequest } from '../../../src/runtime.ts'
import {
  anthropicStream,
  bytes,
  halfJson,
  json,
  reset,
  startUpstream,
  type Upstream,
  whenAll,
} from '../../support/upstream.ts'
import { settled } from '../../support/wait.ts'
import { createWebTransport, type WebTransport } from '../../support/web-transport.ts'

const utf8 = new TextEncoder()
const big = Buffer.alloc(5 * 1024 * 1024, 'every byte of five megabytes counts ')

let transport: WebTransport
let upstream: Upstream

beforeAll(async () => {
  transport = createWebTransport({
    connectTimeoutMs: 30_000,
    allowPrivateUpstreams: true,
    allowPrivateProxies: true,
  })
  upstream = await startUpstream()
})
beforeEach(() => {
  upstream.requests.length = 0
  upstream.served.length = 0
  upstream.respond(json(200, { ok: true }))
})
afterAll(async () => {
  await transport.close()
  await upstream.close()
})

const post = (body: string | Uint8Array<ArrayBuffer>, over: Partial<UpstreamRequest> = {}) =>
  transport.fetch(`${upstream.url}/v1/messages?beta=true`, {
    method: 'POST',
    headers: new Headers({ 'content-type': 'application/json', 'x-api-key': 'sk-one' }),
    body: typeof body === 'string' ? utf8.encode(body) : body,
    signal: new AbortController().signal,
    redirect: 'manual',
    ...over,
  })

const listeners = (signal: AbortSignal) => getEventListeners(signal, 'abort').length

describe('a request', () => {
  it('arrives with its method, path, query, headers and body as they are', async () => {
    await post('{"a":1}')
    expect(upstream.requests).toHaveLength(1)
    const [request] = upstream.requests
    expect(request).toMatchObject({ method: 'POST', path: '/v1/messages?beta=true' })
    expect(request?.headers).toMatchObject({ 'x-api-key': 'sk-one', 'content-length': '7' })
    expect(request?.headers).not.toHaveProperty('accept-encoding')
    expect(request?.headers).not.toHaveProperty('user-agent')
    expect(request?.body.toString()).toBe('{"a":1}')
  })

  it('takes its length from the body, not from the headers', async () => {
    await post('four', { headers: new Headers({ 'content-length': '999' }) })
    expect(upstream.requests[0]?.headers['content-length']).toBe('4')
    expect(upstream.requests[0]?.body.toString()).toBe('four')
  })

  it('sends only the part of a buffer that its view shows', async () => {
    await post(utf8.encode('..inside..').subarray(2, 8))
    expect(upstream.requests[0]?.body.toString()).toBe('inside')
  })

  it('may have no body', async () => {
    await post('', { method: 'GET', body: undefined })
    expect(upstream.requests[0]).toMatchObject({ method: 'GET' })
    expect(upstream.requests[0]?.headers).not.toHaveProperty('content-length')
  })

  it('carries 5 MB both ways without a changed byte', async () => {
    upstream.respond(({ request, response }) => void response.end(request.body))
    const response = await post(Uint8Array.from(big))
    expect(Buffer.from(await response.arrayBuffer()).equals(big)).toBe(true)
    expect(upstream.requests[0]?.body.equals(big)).toBe(true)
  })

  it('reuses connections, and opens as many as run at once', async () => {
    const ports = new Set<number | undefined>()
    const round = () => {
      const answer = whenAll(30, json(200, {}))
      upstream.respond((exchange) => {
        ports.add(exchange.response.socket?.remotePort)
        return answer(exchange)
      })
      return Promise.all(Array.from({ length: 30 }, async () => (await post('{}')).text()))
    }
    await round()
    expect(ports.size).toBeGreaterThanOrEqual(29)
    const before = ports.size
    await settled()
    await round()
    expect(ports.size - before).toBeLessThanOrEqual(1)
  })

  it('is rejected when its address is not a URL or its headers cannot be sent', async () => {
    const { signal } = new AbortController()
    const request = { method: 'GET', body: undefined, signal, redirect: 'manual' } as const
    await expect(
      transport.fetch('nowhere', { ...request, headers: new Headers() }),
    ).rejects.toThrow()
    await expect(post('{}', { headers: new Headers({ upgrade: 'h2c' }), signal })).rejects.toThrow()
    expect(listeners(signal)).toBe(0)
  })
})

describe('a response', () => {
  it('keeps status, headers and repeated headers', async () => {
    upstream.respond(
      json(
        429,
        { type: 'error' },
        { 'retry-after': '7', 'set-cookie': ['a=1', 'b=2'], x: ['1', '2'] },
      ),
    )
    const response = await post('{}')
    expect(response.status).toBe(429)
    expect(response.headers.get('retry-after')).toBe('7')
    expect(response.headers.get('set-cookie')).toBe('a=1, b=2')
    expect(response.headers.get('x')).toBe('1, 2')
    expect(await response.json()).toEqual({ type: 'error' })
  })

  it.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
  ])('is decoded when the upstream packs it as %s, asked or not', async (coding, pack) => {
    for (const text of ['{"ok":true}', 'x'.repeat(1_000_000)]) {
      upstream.respond(bytes(200, { 'content-encoding': coding }, pack(text)))
      const response = await post('{}')
      expect(response.headers.get('content-encoding')).toBeNull()
      expect(response.headers.get('content-length')).toBeNull()
      expect(await response.text()).toBe(text)
    }
  })

  it('is refused in a coding that cannot be undone', async () => {
    upstream.respond(bytes(200, { 'content-encoding': 'secret' }, Buffer.from('x')))
    await expect(post('{}')).rejects.toThrow('content coding')
  })

  it('is the redirect itself, never what it points to', async () => {
    upstream.respond(json(307, {}, { location: `${upstream.url}/elsewhere` }))
    expect((await post('{}')).status).toBe(307)
    expect(upstream.requests).toHaveLength(1)
  })

  it.each([204, 205, 304])('has no body with status %i', async (status) => {
    upstream.respond(({ response }) => void response.writeHead(status).end())
    const response = await post('{}')
    expect(response.status).toBe(status)
    expect(response.body).toBeNull()
  })

  it('has no body when only the head was asked for', async () => {
    upstream.respond(bytes(200, {}, Buffer.from('never sent')))
    const response = await post('', { method: 'HEAD', body: undefined })
    expect(response.headers.get('content-length')).toBe('10')
    expect(response.body).toBeNull()
  })

  it.each([0, 64 * 1024, 64 * 1024 + 1])('is whole with a length of %i bytes', async (size) => {
    upstream.respond(bytes(200, {}, big.subarray(0, size)))
    const body = Buffer.from(await (await post('{}')).arrayBuffer())
    expect(body.equals(big.subarray(0, size))).toBe(true)
  })

  it('streams each chunk as it comes', async () => {
    upstream.respond(anthropicStream({ deltas: ['a', 'b', 'c'], stallAfterEvents: 4 }))
    const abort = new AbortController()
    const response = await post('{"model":"m"}', { signal: abort.signal })
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
    let seen = ''
    while (!seen.includes('"text":"a"')) seen += (await reader?.read())?.value ?? ''
    expect(seen).toContain('"model":"m"')
    abort.abort()
    await expect(reader?.read()).rejects.toThrow()
  })

  it('is the same stream however the upstream chunks it', async () => {
    const texts: string[] = []
    for (const chunking of ['event', 'byte', 'random'] as const) {
      upstream.respond(anthropicStream({ deltas: ['grüße', '👋'], chunking }))
      texts.push(await (await post('{}')).text())
    }
    expect(texts[0]).toContain('👋')
    expect(new Set(texts).size).toBe(1)
    expect(upstream.served.map((entry) => entry.completed)).toEqual([true, true, true])
  })
})

describe('a failure of the upstream', () => {
  it('rejects when the upstream does not listen', async () => {
    const gone = await startUpstream()
    await gone.close()
    const request = { method: 'GET', headers: new Headers(), body: undefined } as const
    const { signal } = new AbortController()
    await expect(
      transport.fetch(gone.url, { ...request, signal, redirect: 'manual' }),
    ).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    expect(listeners(signal)).toBe(0)
  })

  it('rejects when the connection breaks before the headers', async () => {
    upstream.respond(reset())
    await expect(post('{}')).rejects.toMatchObject({ code: 'ECONNRESET' })
  })

  it('rejects when a short body is cut', async () => {
    upstream.respond(halfJson({ matchingLength: false }))
    await expect(post('{}')).rejects.toThrow()
  })

  it('takes the announced length at its word when half a document agrees with it', async () => {
    upstream.respond(halfJson({ matchingLength: true }))
    await expect((await post('{}')).json()).rejects.toThrow(SyntaxError)
  })

  it('fails the body when a long one is cut', async () => {
    upstream.respond(({ response, cut }) => {
      response.writeHead(200, { 'content-length': String(big.length) })
      response.write(big.subarray(0, 100_000), () => cut('end'))
    })
    const response = await post('{}')
    expect(response.status).toBe(200)
    await expect(response.arrayBuffer()).rejects.toThrow()
  })

  it.each(['reset', 'end'] as const)('fails the body when a stream is cut by a %s', async (how) => {
    const { promise: read, resolve: cutNow } = Promise.withResolvers<void>()
    upstream.respond(async ({ response, cut }) => {
      response.writeHead(200)
      response.write('data: 1\n\n')
      await read
      cut(how)
    })
    const reader = (await post('{}')).body?.getReader()
    expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe('data: 1\n\n')
    cutNow()
    await expect(reader?.read()).rejects.toThrow()
  })
})
