/** Clients that send `Expect: 100-continue` and wait, on real sockets. */
import { once } from 'node:events'
import type { Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { continueWhenRead } from '../../src/node/expect-continue.ts'
import { endUnreadUploads } from '../../src/node/unread-uploads.ts'
import { createTestAdmin, createTestGateway, type TestGateway } from '../support/gateway.ts'
import { anthropicJson, startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let gateway: TestGateway
let server: Server
let key: string

beforeEach(async () => {
  upstream = await startUpstream()
  upstream.respond(anthropicJson({ text: 'hello' }))
  gateway = createTestGateway()
  const admin = createTestAdmin(gateway)
  await admin.createAccount({ apiUrl: upstream.url })
  ;({ key } = await admin.createKey())
  const fetch = endUnreadUploads((request, bindings) => gateway.app.fetch(request, bindings))
  server = createAdaptorServer({ fetch, autoCleanupIncoming: false }) as Server
  continueWhenRead(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterEach(async () => {
  server.close()
  server.closeAllConnections()
  await gateway.close()
  await upstream.close()
})

const body = JSON.stringify({ model: 'claude-sonnet-4-6', max_tokens: 10, messages: [] })

/** Sends a head and waits; the body follows when the server asks for it. Resolves to all that came until the end. */
async function ask(path: string, head: string[], sends = body): Promise<string> {
  const { port } = server.address() as AddressInfo
  const client = connect(port, '127.0.0.1')
  client.setEncoding('utf8')
  let received = ''
  let isSent = false
  client.on('data', (text) => {
    received += text
    if (isSent || !received.startsWith('HTTP/1.1 100')) return
    isSent = true
    client.write(sends)
  })
  const fields = ['host: x', 'content-type: application/json', 'expect: 100-continue', ...head]
  client.write(`POST ${path} HTTP/1.1\r\n${fields.join('\r\n')}\r\n\r\n`)
  const answered = () =>
    /\r\n\r\nHTTP\/1.1 [2-5][\s\S]*\}$|^HTTP\/1.1 [2-5][\s\S]*\}$/.test(received)
  await Promise.race([once(client, 'end'), expect.poll(answered).toBe(true)])
  client.destroy()
  return received
}

const length = `content-length: ${body.length}`

it('a client with a good key is told to go on, once, and gets its answer', async () => {
  const received = await ask('/v1/messages', [`x-api-key: ${key}`, length])
  expect(received.match(/^HTTP\/1.1 \d+/gm)).toEqual(['HTTP/1.1 100', 'HTTP/1.1 200'])
  expect(received).toContain('hello')
})

it('the same in chunks', async () => {
  const head = [`x-api-key: ${key}`, 'transfer-encoding: chunked']
  const chunks = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`
  const received = await ask('/v1/messages', head, chunks)
  expect(received.match(/^HTTP\/1.1 \d+/gm)).toEqual(['HTTP/1.1 100', 'HTTP/1.1 200'])
})

it.each([
  ['a short upload', length],
  ['a long upload', 'content-length: 30000000'],
  ['an upload of unknown length', 'transfer-encoding: chunked'],
])('a client with a bad key sends nothing of %s', async (_, size) => {
  const received = await ask('/v1/messages', [`x-api-key: cr_${'x'.repeat(32)}`, size])
  expect(received.match(/^HTTP\/1.1 \d+/gm)).toEqual(['HTTP/1.1 401'])
  expect(received).toMatch(/\r\nconnection: close\r\n/i)
})

it('a body that is too large is not asked for', async () => {
  const received = await ask('/v1/messages', [`x-api-key: ${key}`, 'content-length: 100000000'])
  expect(received.match(/^HTTP\/1.1 \d+/gm)).toEqual(['HTTP/1.1 413'])
})

it('an administrator is asked for a body as well', async () => {
  const login = JSON.stringify({ username: 'admin', password: 'wrong' })
  const received = await ask('/api/v2/auth/admin/login', [`content-length: ${login.length}`], login)
  expect(received.match(/^HTTP\/1.1 \d+/gm)).toEqual(['HTTP/1.1 100', 'HTTP/1.1 401'])
})
