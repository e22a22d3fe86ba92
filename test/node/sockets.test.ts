/** Upgrades on Node: what becomes of connections that are no sockets, or do not end by themselves. */
import { connect, type Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { eventually, logIn } from '../hosts/client.ts'
import type { GatewayHost } from '../hosts/host.ts'
import { startNodeHost } from '../hosts/node.ts'
import {
  openSocketClient,
  type SocketUpstream,
  startSocketUpstream,
} from '../support/socket-upstream.ts'

let host: GatewayHost
let upstream: SocketUpstream
let key: string
let sockets: Socket[] = []

beforeAll(async () => {
  upstream = await startSocketUpstream()
})
afterAll(() => upstream.close())
beforeEach(async () => {
  upstream.sockets.length = 0
  host = await startNodeHost({
    DRAIN_TIMEOUT_SECONDS: '0',
    BODY_LIMIT_BYTES: '65536',
    UPSTREAM_JSON_TIMEOUT_SECONDS: '60',
  })
  const admin = await logIn(host)
  await admin.createAccount({ apiUrl: upstream.url, apiKey: 'sk-upgrade' }, 'codex')
  ;({ key } = await admin.createKey())
})
afterEach(() => {
  for (const socket of sockets) socket.destroy()
  sockets = []
})

const handshake = ['sec-websocket-version: 13', 'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==']

/** Asks for a socket, and never ends its own side of the connection. Resolves with what is answered at first. */
function upgrade(target: string, fields: string[] = []): Promise<string> {
  const lines = [`${target} HTTP/1.1`, 'host: x', 'connection: upgrade', 'upgrade: websocket']
  const socket = connect({ port: Number(new URL(host.url).port), allowHalfOpen: true })
  sockets.push(socket)
  socket.on('error', () => {})
  socket.write([...lines, ...fields, '', ''].join('\r\n'))
  return new Promise((resolve) => socket.once('data', (bytes) => resolve(String(bytes))))
}

describe('an upgrade', () => {
  it.each([
    ['404', '/nothing'],
    ['401', '/openai/v1/responses'],
  ])(
    'that is refused with %s keeps no connection, though its client leaves it open',
    async (status, path) => {
      expect(await upgrade(`GET ${path}`, handshake)).toContain(`HTTP/1.1 ${status} `)
      // It waits for every connection.
      await host.close()
    },
  )

  it('without a handshake is refused, and opens nothing that stays', async () => {
    const authorization = `authorization: Bearer ${key}`
    expect(await upgrade('GET /openai/v1/responses', [authorization])).toContain('HTTP/1.1 400 ')
    await eventually(async () => {
      expect(upstream.sockets.map(({ socket }) => socket.readyState)).toEqual([3])
    })
    expect(host.log.filter((line) => line.includes('"failed"'))).toEqual([])
    await host.close()
  })

  it('of anything but a GET is ignored', async () => {
    const fields = [`authorization: Bearer ${key}`, 'content-length: 0', ...handshake]
    expect(await upgrade('POST /openai/v1/responses', fields)).toContain('"code":"invalid_json"')
    expect(upstream.sockets).toEqual([])
    await host.close()
  })

  it('is closed when messages wait that are longer together than one may be', async () => {
    upstream.behave(() => {})
    const client = await openSocketClient(`${host.url}/openai/v1/responses`, key)
    const create = { type: 'response.create', model: 'gpt-5', input: 'x'.repeat(30_000) }
    client.send(create)
    client.send(create)
    await eventually(async () => expect(upstream.sockets[0]?.texts).toHaveLength(1))
    client.send(create)
    client.send(create)
    expect(await client.closed).toBe(1008)
    await host.close()
  })

  it('whose client does not answer the end of the socket does not keep the host from stopping', async () => {
    const fields = [`authorization: Bearer ${key}`, ...handshake]
    expect(await upgrade('GET /openai/v1/responses', fields)).toContain('HTTP/1.1 101 ')
    await host.close()
  })
})
