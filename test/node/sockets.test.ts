/** Upgrades that Node's server is asked for, on real connections. */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { HeaderList, type RelayAnswer } from '../../src/http-message.ts'
import { createRunningWork, type RunningWork } from '../../src/node/running-work.ts'
import { serveSockets } from '../../src/node/sockets.ts'
import { relayRoutes } from '../../src/relay/routes.ts'

let server: Server
let running: RunningWork
let port: number

const socketRoute = relayRoutes.find(({ isSocket }) => isSocket)

const refused: RelayAnswer = {
  status: 401,
  headers: new HeaderList([['x-answer', '1']]),
  body: Buffer.from('no'),
}

beforeEach(async () => {
  running = createRunningWork()
  server = createServer().listen(0, '127.0.0.1')
  serveSockets(server, {
    socketRouteOf: (path) => (path === '/v1/responses' ? socketRoute : undefined),
    serve: async () => refused,
    running,
    now: Date.now,
    maxMessageBytes: 1_000,
  })
  await once(server, 'listening')
  ;({ port } = server.address() as AddressInfo)
})
afterEach(() => {
  server.closeAllConnections()
  server.close()
})

describe('an upgrade that is refused', () => {
  it.each([
    ['with the answer of the relay', '/v1/responses', 'HTTP/1.1 401 '],
    ['where no route is', '/elsewhere', 'HTTP/1.1 404 '],
  ])('%s closes its connection, also of a client that does not', async (_, path, line) => {
    const accepted = once(server, 'connection')
    const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    client.on('error', () => {})
    const [connection] = await accepted
    const closed = once(connection, 'close')
    client.write(
      `GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n`,
    )
    const received: Buffer[] = []
    for await (const bytes of client) received.push(bytes)
    expect(Buffer.concat(received).toString()).toMatch(line)
    await closed
    await running.settled()
    client.destroy()
  })
})
