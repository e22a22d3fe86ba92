/** Uploads that are answered before they were read, on real sockets. */
import { once } from 'node:events'
import { type AddressInfo, connect, type Server, type Socket } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { endUnreadUploads } from '../../src/node/unread-uploads.ts'
import { createManualClock } from '../support/manual-clock.ts'

let server: Server
let sockets: Socket[]
let port: number
const clock = createManualClock()

beforeEach(async () => {
  sockets = []
  const refuse = () => new Response('no', { status: 401 })
  const fetch = endUnreadUploads(async () => refuse(), clock)
  server = createAdaptorServer({ fetch, autoCleanupIncoming: false }) as Server
  server.on('connection', (socket) => sockets.push(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  ;({ port } = server.address() as AddressInfo)
})
afterEach(() => {
  for (const socket of sockets) socket.destroy()
  server.close()
})

/** A client that sends `head` and uploads until it is stopped, and reads all the while. */
function upload(head: string, chunk: Buffer) {
  const client = connect(port, '127.0.0.1')
  let received = ''
  let sent = 0
  client.on('data', (bytes) => {
    received += bytes
  })
  client.on('error', () => {})
  client.write(`POST / HTTP/1.1\r\nhost: x\r\n${head}\r\n\r\n`)
  const send = () => {
    while (client.writable && client.write(chunk)) sent += chunk.length
    if (client.writable) client.once('drain', send)
  }
  send()
  return { client, received: () => received, sent: () => sent }
}

const megabyte = Buffer.alloc(1024 * 1024, 'x')

describe('an upload that is refused unread', () => {
  it.each([
    ['content-length: 100000000', megabyte],
    [
      'transfer-encoding: chunked',
      Buffer.concat([Buffer.from('100000\r\n'), megabyte, Buffer.from('\r\n')]),
    ],
  ])('gets the answer and the end of the connection while it goes on: %s', async (head, chunk) => {
    const { client, received } = upload(head, chunk)
    await once(client, 'end')
    expect(received()).toMatch(/^HTTP\/1.1 401 /)
    expect(received()).toMatch(/\r\nconnection: close\r\n/i)
    expect(received()).toMatch(/\r\n\r\nno$/)
    client.destroy()
  })

  it('is read no further than one buffer, and is broken off when the client goes on', async () => {
    const { client } = upload('content-length: 100000000', megabyte)
    await once(client, 'end')
    // Two buffers of 64 KiB at most: the one that Node keeps, and the one that was being read.
    expect(sockets[0]?.bytesRead).toBeLessThan(256 * 1024)
    expect(sockets[0]?.destroyed).toBe(false)
    const closed = new Promise((resolve) => client.once('close', resolve))
    clock.advance(1_000)
    await closed
    expect(sockets[0]?.destroyed).toBe(true)
  })

  it('is answered to a client of web fetch', async () => {
    const response = await fetch(`http://127.0.0.1:${port}/`, {
      method: 'POST',
      body: Buffer.alloc(30_000_000),
    })
    expect([response.status, await response.text()]).toEqual([401, 'no'])
  })
})

it('a short upload is drained, and its connection is kept', async () => {
  const client = connect(port, '127.0.0.1')
  let received = ''
  client.on('data', (bytes) => {
    received += bytes
  })
  const request = `POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 65536\r\n\r\n${'x'.repeat(65_536)}`
  client.write(request + request)
  await expect.poll(() => received.match(/HTTP\/1.1 401/g)).toHaveLength(2)
  expect(received).not.toMatch(/connection: close/i)
  client.destroy()
})
