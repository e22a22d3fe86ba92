import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createProxyPools } from '../../../src/node/transport/proxy-pools.ts'
import { createReadControls } from '../../../src/node/transport/read-control.ts'
import { trustCertificate } from '../../support/certificate.ts'
import { createBench, loopback } from '../../support/proxied.ts'
import { type Protocol, startProxy, startSecureUpstream } from '../../support/proxies.ts'
import { startRawUpstream } from '../../support/raw-upstream.ts'
import { settled, until } from '../../support/wait.ts'

const { keep, client, closeAll } = createBench()

let distrust: () => void
beforeAll(() => {
  distrust = trustCertificate()
})
afterEach(closeAll)
afterAll(() => distrust())

const routes: [Protocol, 'http' | 'https'][] = [
  ['http', 'http'],
  ['http', 'https'],
  ['https', 'http'],
  ['https', 'https'],
  ['socks5', 'http'],
  ['socks5', 'https'],
]

describe.each(routes)('through a %s proxy to an %s upstream', (protocol, scheme) => {
  const serve = (answer: (socket: Socket) => void) =>
    keep(scheme === 'https' ? startSecureUpstream(answer) : startRawUpstream(answer))

  it('a reader who stops stalls the upstream, and reads all of it later', async () => {
    const total = 32 * 1024 * 1024
    const chunk = Buffer.alloc(256 * 1024, 'a')
    let accepted = 0
    const upstream = await serve(async (socket) => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${total}\r\n\r\n`)
      while (accepted < total) {
        if (!socket.write(chunk)) await once(socket, 'drain')
        accepted += chunk.length
      }
    })
    const proxy = await keep(startProxy(protocol))
    const response = await client().get(upstream.url, proxy.outbound())
    const reader = response.body?.getReader()
    let read = (await reader?.read())?.value?.length ?? 0
    let before = -1
    while (before !== accepted) {
      before = accepted
      await delay(40)
    }
    expect(accepted).toBeLessThan(24 * 1024 * 1024) // what kernels and the proxy buffer, no more
    for (let next = await reader?.read(); next && !next.done; next = await reader?.read()) {
      read += next.value.length
    }
    expect(read).toBe(total)
  })

  it('a connection that ends cleanly ends a body without a length', async () => {
    const upstream = await serve((socket) => socket.end('HTTP/1.1 200 OK\r\n\r\nall of it'))
    const proxy = await keep(startProxy(protocol))
    const response = await client().get(upstream.url, proxy.outbound())
    expect(await response.text()).toBe('all of it')
    await until(() => proxy.open() === 0)
  })

  it('a connection that is cut fails a body with a length', async () => {
    const upstream = await serve((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\nsome of it')
      setTimeout(() => socket.destroy(), 10)
    })
    const proxy = await keep(startProxy(protocol))
    const response = await client().get(upstream.url, proxy.outbound())
    await expect(response.text()).rejects.toThrow()
    await until(() => proxy.open() === 0)
  })
})

describe.each(['http', 'socks5'] as const)('through a %s proxy', (protocol) => {
  it('a reset fails a body without a length, read or not', async () => {
    const sockets: Socket[] = []
    const upstream = await keep(
      startRawUpstream((socket) => {
        socket.write(`HTTP/1.1 200 OK\r\n\r\n${'some of it'.repeat(15_000)}`)
        sockets.push(socket)
      }),
    )
    const proxy = await keep(startProxy(protocol))
    const { get } = client()
    const read = await get(upstream.url, proxy.outbound())
    const text = expect(read.text()).rejects.toThrow()
    sockets.pop()?.resetAndDestroy()
    await text
    const unread = await get(upstream.url, proxy.outbound())
    sockets.pop()?.resetAndDestroy()
    await delay(50)
    await expect(unread.text()).rejects.toThrow()
    await until(() => proxy.open() === 0)
  })
})

describe('the pools', () => {
  it('are removed with their last connection, and not before', async () => {
    const upstream = await keep(
      startRawUpstream((socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')),
    )
    const proxy = await keep(startProxy('http'))
    const pools = await keep(
      createProxyPools(
        {
          connectTimeoutMs: 30_000,
          allowPrivateUpstreams: true,
          allowPrivateProxies: true,
          lookup: loopback,
        },
        { keepAliveTimeout: 1_500 },
        createReadControls(),
      ),
    )
    const get = (accountId: string) =>
      new Promise<void>((resolve, reject) =>
        pools.dispatch(
          { accountId, proxy: proxy.outbound() },
          {
            origin: new URL(upstream.url).origin,
            path: '/',
            method: 'GET',
            signal: new AbortController().signal,
          },
          {
            onRequestStart() {},
            onResponseEnd: () => resolve(),
            onResponseError: (_wire, error) => reject(error),
          },
        ),
      )
    for (const accountId of ['a', 'b', 'a', 'b']) {
      await get(accountId)
      await settled()
    }
    expect(pools.size()).toBe(2)
    expect(proxy.connections()).toBe(2)
    await until(() => pools.size() === 0)
    await until(() => proxy.open() === 0)
    await proxy.close()
    await expect(get('a')).rejects.toMatchObject({ code: 'ERR_PROXY_CONNECT' })
    expect(pools.size()).toBe(0)
  })
})
