import { getEventListeners } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { UpstreamRequest } from '../../../src/runtime.ts'
import {
  anthropicJson,
  anthropicStream,
  hang,
  json,
  startUpstream,
  type Upstream,
} from '../../support/upstream.ts'
import { createWebTransport, type WebTransport } from '../../support/web-transport.ts'

const utf8 = new TextEncoder()

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

describe('an abort', () => {
  const reason = new Error('the client left')

  it('before the start sends nothing and rejects with its reason', async () => {
    await expect(post('{}', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    expect(upstream.requests).toHaveLength(0)
  })

  it('before the headers rejects with its reason and closes the connection', async () => {
    upstream.respond(hang())
    const abort = new AbortController()
    const pending = post('{}', { signal: abort.signal })
    while (upstream.requests.length === 0) await delay(1)
    abort.abort(reason)
    await expect(pending).rejects.toBe(reason)
    expect(await upstream.requests[0]?.aborted).toBe(true)
    expect(listeners(abort.signal)).toBe(0)
  })

  it('while a short body is awaited rejects with its reason', async () => {
    upstream.respond(
      ({ response }) => void response.writeHead(200, { 'content-length': '9' }).write('{'),
    )
    const abort = new AbortController()
    const pending = post('{}', { signal: abort.signal })
    await expect.poll(() => upstream.requests.length).toBe(1)
    await delay(20) // its head arrives meanwhile
    abort.abort(reason)
    await expect(pending).rejects.toBe(reason)
    expect(await upstream.requests[0]?.aborted).toBe(true)
  })

  it('during the body fails the body with its reason and closes the connection', async () => {
    upstream.respond(anthropicStream({ stallAfterEvents: 3 }))
    const abort = new AbortController()
    const response = await post('{}', { signal: abort.signal })
    const text = response.text()
    setTimeout(() => abort.abort(reason), 10)
    await expect(text).rejects.toBe(reason)
    expect(await upstream.requests[0]?.aborted).toBe(true)
    expect(upstream.served[0]).toMatchObject({ completed: false, aborted: true })
    expect(listeners(abort.signal)).toBe(0)
  })

  it('by cancelling the body closes the connection to a slow upstream', async () => {
    upstream.respond(anthropicStream({ deltas: Array(1_000).fill('word '), delayMs: 2 }))
    const { signal } = new AbortController()
    const reader = (await post('{}', { signal })).body?.getReader()
    await reader?.read()
    await reader?.cancel(reason)
    expect(await upstream.requests[0]?.aborted).toBe(true)
    expect(listeners(signal)).toBe(0)
  })

  it('after the end changes nothing', async () => {
    upstream.respond(anthropicJson(), anthropicStream())
    const abort = new AbortController()
    await post('{}', { signal: abort.signal })
    const response = await post('{}', { signal: abort.signal })
    // All of it arrives, none of it is read yet.
    await expect.poll(() => listeners(abort.signal)).toBe(0)
    abort.abort()
    expect(await response.text()).toContain('message_stop')
  })

  it('of many clients at any moment throws nothing outside the promises', async () => {
    upstream.respond(anthropicStream({ deltas: Array(50).fill('x'.repeat(3_000)), delayMs: 1 }))
    const abortAfter = async (afterMs: number) => {
      const abort = new AbortController()
      setTimeout(() => abort.abort(reason), afterMs)
      await expect(
        post('{}', { signal: abort.signal }).then((response) => response.text()),
      ).rejects.toBe(reason)
    }
    await Promise.all(Array.from({ length: 60 }, (_, i) => abortAfter(i % 40)))
  })
})

describe('a transport that is closed', () => {
  it('fails what is in flight and what comes after', async () => {
    const own = createWebTransport({
      connectTimeoutMs: 30_000,
      allowPrivateUpstreams: true,
      allowPrivateProxies: true,
    })
    upstream.respond(anthropicStream({ stallAfterEvents: 2 }))
    const { signal } = new AbortController()
    const request: UpstreamRequest = {
      method: 'GET',
      headers: new Headers(),
      body: undefined,
      signal,
      redirect: 'manual',
    }
    const response = await own.fetch(upstream.url, request)
    await Promise.all([expect(response.text()).rejects.toThrow(), own.close()])
    await expect(own.fetch(upstream.url, request)).rejects.toThrow()
    expect(listeners(signal)).toBe(0)
  })
})
