/** The relay's routes on Node's own server, beside the application that serves all others. */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { HttpRequest, RelayAnswer } from '../../src/http-message.ts'
import { HeaderList } from '../../src/http-message.ts'
import { createRelayServer } from '../../src/node/relay-server.ts'
import { createRunningWork, type RunningWork } from '../../src/node/running-work.ts'
import { createBasePaths } from '../../src/relay/base-path.ts'
import { readWhole } from '../../src/relay/request/body.ts'
import { relayRoutes } from '../../src/relay/routes.ts'
import type { RelayPlace } from '../../src/relay/serve.ts'
import { createManualClock } from '../support/manual-clock.ts'

let server: Server
let running: RunningWork
let port: number
let serve: (request: HttpRequest, place: RelayPlace) => Promise<RelayAnswer>

const headers = () => new HeaderList([['x-answer', '1']])
const saying = (text: string): RelayAnswer => ({
  status: 200,
  headers: headers(),
  body: Buffer.from(text),
})

beforeEach(async () => {
  running = createRunningWork()
  serve = async () => saying('relay')
  server = createServer(
    createRelayServer({
      routeOf: createBasePaths(relayRoutes).routeOf,
      serve: (_route, request, place) => serve(request, place),
      running,
      clock: createManualClock(),
      others: (_request, response) => void response.end('others'),
    }),
  ).listen(0, '127.0.0.1')
  await once(server, 'listening')
  ;({ port } = server.address() as AddressInfo)
})
afterEach(() => {
  server.closeAllConnections()
  server.close()
})

/** What comes back for one request on a connection of its own. */
async function exchange(head: string, body = ''): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.write(`${head}\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
  let received = ''
  for await (const bytes of socket) received += bytes
  return received
}

describe('which requests are the relay’s', () => {
  it.each([
    'POST /v1/messages HTTP/1.1\r\nhost: x',
    'POST /api/v1/messages?beta=true HTTP/1.1\r\nhost: 127.0.0.1:80',
    'POST //claude/v1//messages HTTP/1.1\r\nhost: [::1]:80',
  ])('%s', async (head) => {
    expect(await exchange(head)).toMatch(/\r\n\r\nrelay$/)
  })

  it.each([
    'GET /v1/messages HTTP/1.1\r\nhost: x',
    'POST /v1/message HTTP/1.1\r\nhost: x',
    'POST /v1/%6dessages HTTP/1.1\r\nhost: x',
    'POST /v1/x/../messages HTTP/1.1\r\nhost: x',
    'POST http://x/v1/messages HTTP/1.1\r\nhost: x',
    'POST /v1/messages HTTP/1.1\r\nhost: a b',
  ])('not, but the application’s: %j', async (head) => {
    expect(await exchange(head)).toMatch(/\r\n\r\nothers$/)
  })
})

describe('a request of the relay', () => {
  it('comes with its fields, its query, its body and an id', async () => {
    const seen: unknown[] = []
    serve = async ({ url, headers, body }, { requestId }) => {
      const bytes = await readWhole(body, 100)
      seen.push(url, headers.get('X-Two'), String(Buffer.from(bytes ?? [])), requestId)
      return saying('done')
    }
    const fields = 'host: x\r\nx-two: 1\r\nx-two: 2\r\nx-request-id: mine'
    await exchange(`POST /v1/messages?a=1 HTTP/1.1\r\n${fields}`, '{"body":1}')
    expect(seen).toEqual(['/v1/messages?a=1', '1, 2', '{"body":1}', 'mine'])
  })

  it('gets an id that sorts by time where its own is none', async () => {
    const ids: string[] = []
    serve = async (_request, { requestId }) => {
      ids.push(requestId)
      return saying('done')
    }
    for (const id of ['', 'a b', 'x'.repeat(129)]) {
      await exchange(`POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-request-id: ${id}`)
    }
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-/)
    expect(new Set(ids).size).toBe(3)
  })

  it('is answered with bytes and their length, or with a stream as it comes', async () => {
    expect(await exchange('POST /v1/messages HTTP/1.1\r\nhost: x')).toMatch(
      /^HTTP\/1.1 200 OK\r\nx-answer: 1\r\ncontent-length: 5\r\n/,
    )
    serve = async () => ({ status: 200, headers: headers(), body: new Blob(['a', 'b']).stream() })
    const streamed = await exchange('POST /v1/messages HTTP/1.1\r\nhost: x')
    expect(streamed).toContain('\r\nTransfer-Encoding: chunked\r\n')
    expect(streamed).toMatch(/\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n$/)
  })

  it('is aborted when its client goes, and its stream is cancelled', async () => {
    const aborted = Promise.withResolvers<void>()
    const cancelled = Promise.withResolvers<void>()
    serve = async ({ signal }) => {
      signal.addEventListener('abort', () => aborted.resolve())
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => controller.enqueue(Buffer.from('begun')),
        cancel: () => cancelled.resolve(),
      })
      return { status: 200, headers: headers(), body }
    }
    const socket = connect(port, '127.0.0.1')
    socket.write('POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n')
    await once(socket, 'data')
    socket.destroy()
    await Promise.all([aborted.promise, cancelled.promise])
    await running.settled()
  })

  it('fails to read an upload that breaks off', async () => {
    const failed = Promise.withResolvers<unknown>()
    serve = async ({ body }) => {
      await readWhole(body, 100).catch(failed.resolve)
      return saying('nobody hears it')
    }
    const socket = connect(port, '127.0.0.1')
    socket.write('POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhalf')
    setImmediate(() => socket.destroy())
    expect(await failed.promise).toBeInstanceOf(Error)
    await running.settled()
  })

  it('ends its connection alone when its answer cannot be sent', async () => {
    const unfit = new HeaderList([['x-answer', 'a\nb']])
    serve = async () => ({ status: 200, headers: unfit, body: null })
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    socket.write('POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n')
    await new Promise((resolve) => socket.once('close', resolve))
    await running.settled()
    serve = async () => saying('well')
    expect(await exchange('POST /v1/messages HTTP/1.1\r\nhost: x')).toMatch(/well$/)
  })

  it('runs until its answer was sent, and is told when the host can wait no longer', async () => {
    const told = Promise.withResolvers<void>()
    const asked = Promise.withResolvers<void>()
    serve = async (_request, { onStopping }) => {
      onStopping?.(() => told.resolve())
      asked.resolve()
      await told.promise
      return saying('stopped')
    }
    const answered = exchange('POST /v1/messages HTTP/1.1\r\nhost: x')
    await asked.promise
    running.breakOff()
    expect(await answered).toMatch(/stopped$/)
    await running.settled()
  })
})
