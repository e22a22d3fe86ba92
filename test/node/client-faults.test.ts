/** What clients do wrong on the wire is never logged as a fault of the gateway. */
import { once } from 'node:events'
import { type AddressInfo, connect, type Server } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { issueToken } from '../../src/admin/session/token.ts'
import { endUnreadUploads } from '../../src/node/unread-uploads.ts'
import { createTestAdmin, createTestGateway, type TestGateway } from '../support/gateway.ts'

let gateway: TestGateway
let server: Server
let port: number
let key: string
let token: string

beforeEach(async () => {
  gateway = createTestGateway()
  const admin = createTestAdmin(gateway)
  await admin.createAccount({ apiUrl: 'http://127.0.0.1:9' })
  ;({ key } = await admin.createKey())
  token = await issueToken(gateway.runtime, 'admin')
  const fetch = endUnreadUploads((request, bindings) => gateway.app.fetch(request, bindings))
  server = createAdaptorServer({ fetch, autoCleanupIncoming: false }) as Server
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  ;({ port } = server.address() as AddressInfo)
})
afterEach(async () => {
  server.close()
  await gateway.close()
})

/** Sends `text`, and hangs up at once or when it has an answer. */
async function say(text: string, isImpatient: boolean): Promise<void> {
  const client = connect(port, '127.0.0.1')
  client.on('error', () => {})
  const closed = new Promise((resolve) => client.once('close', resolve))
  client.write(text)
  if (isImpatient) setTimeout(() => client.destroy(), 50)
  else client.once('data', () => client.destroy())
  await closed
}

const json = 'content-type: application/json'
const relayed = () => `POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: ${key}\r\n${json}\r\n`
const admin = (path: string, method = 'POST') =>
  `${method} /api/v2${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\n${json}\r\n`

const broken: [name: string, text: () => string][] = [
  ['a relayed upload that ends early', () => `${relayed()}content-length: 100\r\n\r\n{"model"`],
  [
    'a relayed upload in chunks that ends early',
    () => `${relayed()}transfer-encoding: chunked\r\n\r\n5\r\n{"mod`,
  ],
  ['a chunk without a length', () => `${relayed()}transfer-encoding: chunked\r\n\r\nxyz\r\n`],
  [
    'an upload of an administrator that ends early',
    () => `${admin('/keys')}content-length: 100\r\n\r\n{"name"`,
  ],
  ['the same in chunks', () => `${admin('/keys')}transfer-encoding: chunked\r\n\r\n5\r\n{"nam`],
  [
    'a login that ends early',
    () =>
      `POST /api/v2/auth/admin/login HTTP/1.1\r\nhost: x\r\n${json}\r\ncontent-length: 100\r\n\r\n{`,
  ],
]
const malformed: [name: string, text: () => string][] = [
  ['a body that is no JSON', () => `${relayed()}content-length: 3\r\n\r\n{"m`],
  [
    'a body of an administrator that is no JSON',
    () => `${admin('/keys')}content-length: 3\r\n\r\n{"m`,
  ],
  ['a body that is not UTF-8', () => `${admin('/keys')}content-length: 2\r\n\r\n\xff\xfe`],
  ['a path that cannot be decoded', () => `${admin('/keys/%E0%A4%A', 'GET')}\r\n`],
  ['a query that cannot be decoded', () => `${admin('/keys?page=%E0%A4%A', 'GET')}\r\n`],
  ['a host that is none', () => 'GET /health HTTP/1.1\r\nhost: a b\\c\r\n\r\n'],
  ['a path of another form', () => 'OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n'],
  ['an absolute path', () => 'GET http://[::/v1/messages HTTP/1.1\r\nhost: x\r\n\r\n'],
  [
    'a name of Object.prototype',
    () => `${admin('/keys?sortBy=constructor&sortOrder=__proto__', 'GET')}\r\n`,
  ],
  [
    'an ETag of another form',
    () => `${admin('/keys/x', 'PATCH')}if-match: "constructor"\r\ncontent-length: 2\r\n\r\n{}`,
  ],
]

it.each(broken)('%s', async (_, text) => {
  await say(text(), true)
  await gateway.deferred()
  expect(gateway.lines.filter((line) => line.includes('"level":"error"'))).toEqual([])
  expect(gateway.logged('failed')).toEqual([])
})

it.each(malformed)('%s', async (_, text) => {
  await say(text(), false)
  await gateway.deferred()
  expect(gateway.lines.filter((line) => line.includes('"level":"error"'))).toEqual([])
})
