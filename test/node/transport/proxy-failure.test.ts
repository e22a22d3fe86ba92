import { getEventListeners } from 'node:events'
import type { LookupFunction, Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import type { OutboundProxy } from '../../../src/runtime.ts'
import { trustCertificate } from '../../support/certificate.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { createBench } from '../../support/proxied.ts'
import {
  credentials,
  type Protocol,
  startProxy,
  startRawProxy,
  startSecureUpstream,
} from '../../support/proxies.ts'
import { settled, until } from '../../support/wait.ts'

const protocols: Protocol[] = ['http', 'https', 'socks5']
const plain = ['http', 'socks5'] as const
const { keep, client, closeAll } = createBench()

let distrust: () => void
beforeAll(() => {
  distrust = trustCertificate()
})
afterEach(closeAll)
afterAll(() => distrust())

const url = 'http://hidden.example:8123/v1/messages?secret=query'
const wrong = { username: 'wrong-user', password: 'wrong-secret' }

/** Sends a request that must fail, and returns how; no error contains a secret. */
async function failure(
  proxy: OutboundProxy,
  options: Parameters<typeof client>[0] = {},
  target = url,
): Promise<{ code: unknown; message: string }> {
  const error: unknown = await client(options)
    .get(target, proxy)
    .catch((fault: unknown) => fault)
  if (!(error instanceof Error)) throw new Error('the request did not fail')
  const told = [error.message, error.stack, JSON.stringify(error), String(error.cause)].join()
  expect(told).not.toMatch(/wrong-|hidden\.example|8123|query|127\.0\.0\.1|proxy\.example/)
  return { code: 'code' in error ? error.code : undefined, message: error.message }
}

describe.each(protocols)('a %s proxy', (protocol) => {
  it('that refuses the credentials is reported as ERR_PROXY_AUTH', async () => {
    const proxy = await keep(startProxy(protocol, { needsAuth: true }))
    expect((await failure(proxy.outbound({ auth: wrong }))).code).toBe('ERR_PROXY_AUTH')
    expect((await failure(proxy.outbound({ auth: undefined }))).code).toBe('ERR_PROXY_AUTH')
    await until(() => proxy.open() === 0)
  })

  it('that will not connect is reported as ERR_PROXY_REFUSED, with its own reason', async () => {
    const [reply, reason] = protocol === 'socks5' ? [2, 'NotAllowed'] : [403, 'status 403']
    const proxy = await keep(startProxy(protocol, { refuseWith: reply }))
    const fault = await failure(proxy.outbound({ auth: wrong }))
    expect(fault).toEqual({
      code: 'ERR_PROXY_REFUSED',
      message: `The proxy refused to connect (${reason})`,
    })
    await until(() => proxy.open() === 0)
  })

  it('that does not listen is reported as ERR_PROXY_CONNECT, with the code of the system', async () => {
    const proxy = await startProxy(protocol)
    await proxy.close()
    expect(await failure(proxy.outbound({ auth: wrong }))).toEqual({
      code: 'ERR_PROXY_CONNECT',
      message: 'The proxy could not be reached (ECONNREFUSED)',
    })
  })

  it('whose name does not resolve is reported as ERR_PROXY_CONNECT', async () => {
    const fault = Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' })
    const lookup: LookupFunction = (_name, _options, callback) => callback(fault, '', 0)
    const proxy: OutboundProxy = { protocol, host: 'proxy.example', port: 1, auth: wrong }
    const { code, message } = await failure(proxy, { lookup })
    expect([code, message]).toEqual([
      'ERR_PROXY_CONNECT',
      'The proxy could not be reached (ENOTFOUND)',
    ])
  })

  it('that hangs fails the request after the connect timeout, and keeps no connection', async () => {
    const proxy = await keep(startRawProxy(protocol, () => {}))
    const timers = createManualClock()
    const outbound = proxy.outbound({ ...hostOf(protocol), auth: wrong })
    const failed = failure(outbound, { connectTimeoutMs: 80, timers })
    await until(() => proxy.open() === 1)
    timers.advance(79)
    expect(timers.pending()).toBe(1)
    timers.advance(1)
    expect((await failed).code).toBe('ERR_PROXY_TIMEOUT')
    await until(() => proxy.open() === 0)
  })

  it('that hangs is disconnected at once when the request is aborted', async () => {
    const proxy = await keep(startRawProxy(protocol, () => {}))
    const abort = new AbortController()
    const reason = new Error('the client left')
    const pending = client().get(url, proxy.outbound(hostOf(protocol)), { signal: abort.signal })
    await until(() => proxy.open() === 1)
    abort.abort(reason)
    await expect(pending).rejects.toBe(reason)
    await until(() => proxy.open() === 0)
    expect(getEventListeners(abort.signal, 'abort')).toHaveLength(0)
  })

  it('leaves no timer and no listener behind when it serves', async () => {
    const secure = await keep(startSecureUpstream((socket) => answer(socket)))
    const proxy = await keep(startProxy(protocol))
    const { signal } = new AbortController()
    const timers = createManualClock()
    const { get } = client({ timers })
    const response = await get(secure.url, proxy.outbound(), { signal })
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
    expect(timers.pending()).toBe(0)
    await response.text()
    await settled()
    await (await get(secure.url, proxy.outbound(), { signal })).text()
    expect(proxy.connections()).toBe(1)
  })

  it.each(['immediately', 'while TLS is awaited'])(
    'tunnelling to a silent https upstream ends with an abort %s',
    async (when) => {
      const silent = await keep(startRawProxy('http', () => {}))
      const proxy = await keep(startProxy(protocol))
      const abort = new AbortController()
      const target = `https://upstream.example:${silent.port}`
      const pending = client().get(target, proxy.outbound(), { signal: abort.signal })
      if (when !== 'immediately') await until(() => silent.open() === 1)
      abort.abort()
      await expect(pending).rejects.toBe(abort.signal.reason)
      await until(() => proxy.open() + silent.open() === 0)
    },
  )

  it('tunnelling to a silent https upstream ends with the connect timeout', async () => {
    const silent = await keep(startRawProxy('http', () => {}))
    const proxy = await keep(startProxy(protocol))
    const target = `https://upstream.example:${silent.port}`
    const { code } = await failure(
      proxy.outbound({ auth: wrong }),
      { connectTimeoutMs: 100 },
      target,
    )
    expect(code).toBe('ERR_PROXY_TIMEOUT')
    await until(() => proxy.open() + silent.open() === 0)
  })
})

// The certificate of a raw proxy is never seen, so any name does.
const hostOf = (protocol: Protocol) => (protocol === 'https' ? { host: '127.0.0.1' } : {})
const answer = (socket: Socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')

describe('a proxy that answers oddly', () => {
  const endless = Buffer.alloc(64 * 1024, 'x-endless: and more of it\r\n')
  const flood = (head: string) => (socket: Socket) => {
    socket.write(head)
    const more = () => void (socket.writable && socket.write(endless, () => setImmediate(more)))
    more()
  }
  const oddities: [string, Protocol, (socket: Socket) => void][] = [
    ['with another protocol', 'http', (socket) => socket.write('SSH-2.0-OpenSSH_9.6\r\n')],
    ['with another protocol', 'socks5', (socket) => socket.write('HTTP/1.1 200 OK\r\n\r\n')],
    ['by closing', 'http', (socket) => socket.end()],
    ['by closing', 'socks5', (socket) => socket.end()],
    ['by a reset', 'http', (socket) => socket.resetAndDestroy()],
    ['by a reset', 'socks5', (socket) => socket.resetAndDestroy()],
    ['with half a head', 'http', (socket) => socket.end('HTTP/1.1 200 OK\r\nx-a: b\r\n')],
    ['with half an answer', 'socks5', (socket) => socket.end(Buffer.from([5]))],
    ['with a head that never ends', 'http', flood('HTTP/1.1 200 OK\r\n')],
    ['with bytes that never end', 'socks5', flood('\u0000')],
    ['with a wrong version late', 'socks5', late(Buffer.from([4, 0, 0, 1, 0, 0, 0, 0, 0, 0]))],
    ['with an unknown reply', 'socks5', late(Buffer.from([5, 99, 0, 1, 0, 0, 0, 0, 0, 0]))],
  ]
  it.each(oddities)('%s (%s) is told by ERR_PROXY_ANSWER', async (_how, protocol, respond) => {
    const proxy = await keep(startRawProxy(protocol, respond))
    const { code } = await failure(proxy.outbound({ auth: undefined }))
    expect(code).toBe('ERR_PROXY_ANSWER')
    await until(() => proxy.open() === 0)
  })

  it.each([401, 407])('with status %i refuses the credentials', async (status) => {
    const proxy = await keep(startProxy('http', { refuseWith: status }))
    expect((await failure(proxy.outbound({ auth: wrong }))).code).toBe('ERR_PROXY_AUTH')
  })

  it.each([100, 101, 199, 301, 500, 502])('with status %i is a refusal', async (status) => {
    const proxy = await keep(startProxy('http', { refuseWith: status }))
    expect((await failure(proxy.outbound({ auth: wrong }))).code).toBe('ERR_PROXY_REFUSED')
  })

  it.each(plain)('and is gone after its %s greeting fails TLS with the upstream', async (how) => {
    const proxy = await keep(startProxy(how))
    const gone = await keep(startRawProxy('http', (socket) => socket.resetAndDestroy()))
    const target = `https://upstream.example:${gone.port}`
    await expect(client().get(target, proxy.outbound())).rejects.toMatchObject({
      code: 'ECONNRESET',
    })
    await until(() => proxy.open() === 0)
  })

  it('with a certificate of an unknown issuer is not trusted', async () => {
    const proxy = await keep(startProxy('https'))
    const { code, message } = await failure(proxy.outbound({ auth: wrong, host: 'other.example' }))
    expect(code).toBe('ERR_PROXY_CONNECT')
    expect(message).toContain('ERR_TLS_CERT_ALTNAME_INVALID')
    distrust()
    const unsigned = await failure(proxy.outbound({ auth: wrong })).finally(() => {
      distrust = trustCertificate()
    })
    expect(unsigned.message).toContain('DEPTH_ZERO_SELF_SIGNED_CERT')
    expect(proxy.presented).toEqual([])
  })

  it.each(['username', 'password'])('is not asked when a SOCKS %s is too long', async (field) => {
    const proxy = await keep(startProxy('socks5'))
    const auth = { ...credentials, [field]: 'ü'.repeat(128) }
    expect((await failure(proxy.outbound({ auth }))).code).toBe('ERR_PROXY_AUTH')
    await until(() => proxy.open() === 0)
    expect(proxy.presented).toEqual([])
  })

  it.each(protocols)('to many aborts at any moment (%s) throws nothing else', async (protocol) => {
    const secure = await keep(startSecureUpstream((socket) => answer(socket)))
    const proxy = await keep(startProxy(protocol))
    const { get, close } = client()
    const abortAfter = async (afterMs: number) => {
      const abort = new AbortController()
      const timer = setTimeout(() => abort.abort(), afterMs)
      const target = afterMs % 2 ? secure.url : `http://upstream.example:${secure.port}`
      await get(target, proxy.outbound(), { signal: abort.signal })
        .then((response) => response.text())
        .catch(() => {})
      clearTimeout(timer)
    }
    await Promise.all(Array.from({ length: 40 }, (_, i) => abortAfter(i / 2)))
    await close()
    await until(() => proxy.open() === 0)
  })
})

/** A SOCKS proxy whose first answer is right. */
function late(second: Buffer) {
  const greeted = new WeakSet<Socket>()
  return (socket: Socket) => {
    socket.write(greeted.has(socket) ? second : Buffer.from([5, 0]))
    greeted.add(socket)
  }
}

describe.each(plain)('where a %s proxy may be', (protocol) => {
  const strict = { allowPrivateProxies: false }
  const answers = (...addresses: string[]): LookupFunction =>
    vi.fn((_name, options, callback) => {
      const found = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
      if (options.all) callback(null, found)
      else callback(null, found[0]?.address ?? '', found[0]?.family)
    })

  it.each(['127.0.0.1', '::1', '[::1]', '::ffff:127.0.0.1', '10.0.0.1', '169.254.169.254'])(
    'refuses the private address %s without connecting',
    async (host) => {
      const proxy = await keep(startProxy(protocol))
      expect((await failure(proxy.outbound({ auth: wrong, host }), strict)).code).toBe(
        'ERR_PRIVATE_PROXY',
      )
      expect(proxy.connections()).toBe(0)
    },
  )

  it.each([['127.0.0.1'], ['::1'], ['8.8.8.8', '10.0.0.1']])(
    'refuses a name that resolves to %s %s',
    async (...addresses) => {
      const proxy = await keep(startProxy(protocol))
      const options = { ...strict, lookup: answers(...addresses) }
      const { code } = await failure(
        proxy.outbound({ auth: wrong, host: 'relay.example' }),
        options,
      )
      expect(code).toBe('ERR_PRIVATE_PROXY')
      expect(options.lookup).toHaveBeenCalledTimes(1)
      expect(proxy.connections()).toBe(0)
    },
  )

  it('refuses a private literal upstream, and leaves names to the proxy', async () => {
    const proxy = await keep(startProxy(protocol))
    const options = { allowPrivateUpstreams: false }
    for (const target of [
      'http://127.0.0.1',
      'https://[::1]',
      'http://0x7f.1',
      'http://10.1.1.1',
    ]) {
      const { code } = await failure(proxy.outbound({ auth: wrong }), options, target)
      expect(code).toBe('ERR_PRIVATE_UPSTREAM')
    }
    expect(proxy.connections()).toBe(0)
    const silent = await keep(startRawProxy('http', (socket) => answer(socket)))
    const named = `http://upstream.example:${silent.port}`
    expect((await client(options).get(named, proxy.outbound())).status).toBe(200)
    expect(proxy.targets).toEqual([`upstream.example:${silent.port}`])
  })
})
