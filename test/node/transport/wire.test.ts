import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Dispatcher } from 'undici'
import { afterEach, describe, expect, it } from 'vitest'
import type { HttpAnswer } from '../../../src/http-message.ts'
import { Exchange } from '../../../src/node/transport/exchange.ts'
import { createReadControls } from '../../../src/node/transport/read-control.ts'
import type { UpstreamRequest } from '../../../src/runtime.ts'
import { type RawUpstream, startRawUpstream } from '../../support/raw-upstream.ts'
import { settled } from '../../support/wait.ts'
import { createWebTransport } from '../../support/web-transport.ts'

const closing: { close(): Promise<void> }[] = []
afterEach(async () => {
  await Promise.all(closing.splice(0).map((each) => each.close()))
})

async function serve(answer: (socket: Socket) => void): Promise<RawUpstream> {
  const upstream = await startRawUpstream(answer)
  closing.push(upstream)
  return upstream
}

function client() {
  const transport = createWebTransport({
    connectTimeoutMs: 30_000,
    allowPrivateUpstreams: true,
    allowPrivateProxies: true,
  })
  closing.push(transport)
  const { signal } = new AbortController()
  return (url: string) =>
    transport.fetch(url, {
      method: 'GET',
      headers: new Headers(),
      body: undefined,
      signal,
      redirect: 'manual',
    })
}

const reply = (...lines: (string | Buffer)[]) =>
  Buffer.concat(lines.map((line) => Buffer.from(line)))

describe('what comes over the wire', () => {
  it('ignores informational responses before the real one', async () => {
    const early = 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n'
    const upstream = await serve((socket) =>
      socket.write(reply(early, 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi')),
    )
    const response = await client()(upstream.url)
    expect(response.status).toBe(200)
    expect(response.headers.has('link')).toBe(false)
    expect(await response.text()).toBe('hi')
  })

  it.each([600, 999])('rejects the status %i, which no response can have', async (status) => {
    const upstream = await serve((socket) =>
      socket.write(`HTTP/1.1 ${status} Odd\r\ncontent-length: 0\r\n\r\n`),
    )
    await expect(client()(upstream.url)).rejects.toThrow(/status/)
  })

  it.each([1, 7, 1_000])(
    'ignores a 100 that was not asked for, in parts of %i bytes',
    async (size) => {
      const early =
        'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n'
      const upstream = await serve(async (socket) => {
        const answer = reply(early, 'HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\nHTTP/1.1 100 ')
        for (let from = 0; from < answer.length; from += size) {
          socket.write(answer.subarray(from, from + size))
          await new Promise((resolve) => setImmediate(resolve))
        }
      })
      const send = client()
      // The second request finds the same connection.
      for (const _ of [1, 2]) {
        const response = await send(upstream.url)
        expect(response.status).toBe(200)
        expect(await response.text()).toBe('HTTP/1.1 100 ')
      }
    },
  )

  it('keeps odd bytes in header values, and drops an odd reason phrase', async () => {
    const upstream = await serve((socket) =>
      socket.write(
        reply('HTTP/1.1 200 Gr\u00fc\u00dfe\r\nx-name: \u00e9\r\ncontent-length: 0\r\n\r\n'),
      ),
    )
    const response = await client()(upstream.url)
    expect(response.statusText).toBe('')
    expect(Buffer.from(response.headers.get('x-name') ?? '', 'latin1').toString()).toBe('\u00e9')
  })

  it.each(['a\0b', 'a\rb', 'a\u0001b'])('survives the header value %j', async (value) => {
    const upstream = await serve((socket) =>
      socket.write(`HTTP/1.1 200 OK\r\nx-bad: ${value}\r\nx-good: 1\r\ncontent-length: 0\r\n\r\n`),
    )
    const outcome = await client()(upstream.url).catch((error: unknown) => error)
    if (outcome instanceof Response) expect(outcome.headers.get('x-good')).toBe('1')
    else expect(outcome).toBeInstanceOf(Error)
  })

  it('skips a header that cannot be represented and keeps the others', async () => {
    const bytes = (text: string) => Buffer.from(text, 'latin1')
    const rawHeaders = ['X-Bad', 'a\0b', 'X Bad', '1', 'X-Good', '2'].map(bytes)
    const answer = await new Promise<HttpAnswer>((resolve, reject) => {
      const request = { method: 'HEAD', signal: new AbortController().signal } as UpstreamRequest
      const repeat = { aboutToSend: () => {}, sendAnew: () => {} }
      const exchange = new Exchange(request, createReadControls(), repeat, resolve, reject)
      exchange.onResponseStart({ rawHeaders } as Dispatcher.DispatchController, 200)
      exchange.onResponseEnd()
    })
    expect([...answer.headers]).toEqual([['x-good', '2']])
  })

  it('rejects what is not HTTP', async () => {
    const upstream = await serve((socket) => socket.end('SSH-2.0-OpenSSH_9.6\r\n'))
    await expect(client()(upstream.url)).rejects.toThrow()
  })

  it('fails a body whose chunks are malformed', async () => {
    const upstream = await serve((socket) =>
      socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\nzz\r\n'),
    )
    await expect((await client()(upstream.url)).text()).rejects.toThrow()
  })

  it('reads a body without a length up to the end of the connection', async () => {
    const upstream = await serve((socket) => socket.end('HTTP/1.1 200 OK\r\n\r\nall of it'))
    expect(await (await client()(upstream.url)).text()).toBe('all of it')
  })

  it('fails a body without a length when the connection is reset', async () => {
    const { promise: served, resolve: serving } = Promise.withResolvers<Socket>()
    const upstream = await serve((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\nsome of it')
      serving(socket)
    })
    const response = await client()(upstream.url)
    ;(await served).resetAndDestroy()
    await expect(response.text()).rejects.toThrow()
  })
})

describe('back-pressure', () => {
  const chunk = Buffer.alloc(64 * 1024, 'a')

  it('stalls a fast upstream when the reader stops, and lets it go on when it reads', async () => {
    const total = 48 * 1024 * 1024
    let accepted = 0
    const upstream = await serve(async (socket) => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${total}\r\n\r\n`)
      while (accepted < total) {
        if (!socket.write(chunk)) await once(socket, 'drain')
        accepted += chunk.length
      }
    })
    const response = await client()(upstream.url)
    const reader = response.body?.getReader()
    let read = (await reader?.read())?.value?.length ?? 0
    let before = -1
    while (before !== accepted) {
      before = accepted
      await delay(60)
    }
    expect(accepted).toBeLessThan(24 * 1024 * 1024) // what the kernel buffers, no more
    for (let next = await reader?.read(); next && !next.done; next = await reader?.read()) {
      read += next.value.length
    }
    expect(read).toBe(total)
  })

  // undici would fail an assertion outside any promise: the process would end.
  const endings: [string, string, (socket: Socket) => void, boolean][] = [
    ['ends', '', (socket) => socket.end(), true],
    ['is reset', '', (socket) => socket.resetAndDestroy(), false],
    ['is cut', 'content-length: 99999999\r\n', (socket) => socket.end(), false],
    ['is reset', 'content-length: 99999999\r\n', (socket) => socket.resetAndDestroy(), false],
    ['ends', 'content-length: 150000\r\n', (socket) => socket.end(), true],
  ]
  it.each(endings)(
    'survives that a closing connection %s with %j while the reader is paused',
    async (...row) => {
      const [, header, end, whole] = row
      const size = 150_000 // so that the last chunk is the one that fills the queue
      const { promise: served, resolve: serving } = Promise.withResolvers<Socket>()
      const upstream = await serve((socket) => {
        socket.write(`HTTP/1.1 200 OK\r\nconnection: close\r\n${header}\r\n`)
        socket.write(Buffer.alloc(size, 'a'), () => serving(socket))
      })
      const response = await client()(upstream.url)
      end(await served)
      await delay(60)
      const body = response.arrayBuffer()
      if (whole) expect((await body).byteLength).toBe(size)
      else await expect(body).rejects.toThrow()
    },
  )

  it('of one exchange does not pause the next one on the connection', async () => {
    const size = 256 * 1024
    const upstream = await serve((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n`)
      socket.write(Buffer.alloc(size, 'a'))
    })
    const get = client()
    for (let round = 0; round < 5; round += 1) {
      const response = await get(upstream.url)
      await delay(10)
      expect((await response.arrayBuffer()).byteLength).toBe(size)
      await settled()
    }
    expect(upstream.connections()).toBe(1)
  })
})
