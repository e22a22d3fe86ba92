/** The bridge between a client's socket and an account's, with sockets that the test moves itself. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { HeaderList } from '../../src/http-message.ts'
import type { MessageSocket, SocketListener } from '../../src/message-socket.ts'
import { relayRoutes } from '../../src/relay/routes.ts'
import { serveSocket } from '../../src/relay/websocket/open.ts'
import { createTestAdmin, createTestGateway, type TestGateway } from '../support/gateway.ts'

type Told = Record<string, unknown> & { type?: string; error?: { code?: string } }

/** One end of a socket: what was sent to it, and what its peer does. */
function createSocket() {
  let listener: SocketListener | undefined
  const sent: Told[] = []
  const waiting = new Set<() => void>()
  const state = { pendingBytes: 0, closedWith: undefined as number | undefined }
  const socket: MessageSocket = {
    send(text) {
      sent.push(JSON.parse(text))
      for (const look of waiting) look()
    },
    close(code) {
      state.closedWith ??= code
      for (const look of waiting) look()
    },
    listen(added) {
      listener = added
    },
    pendingBytes: () => state.pendingBytes,
  }
  const until = (isReached: () => boolean) =>
    new Promise<void>((resolve) => {
      const look = () => {
        if (!isReached()) return
        waiting.delete(look)
        resolve()
      }
      waiting.add(look)
      look()
    })
  return {
    socket,
    state,
    sent,
    say: (message: object) => listener?.message(JSON.stringify(message)),
    hasSent: (count: number) => until(() => sent.length >= count),
    closed: () => until(() => state.closedWith !== undefined),
  }
}

const route = relayRoutes.find(({ isSocket }) => isSocket)

let test: TestGateway
let admin: ReturnType<typeof createTestAdmin>
let client: ReturnType<typeof createSocket>
let upstream: ReturnType<typeof createSocket>

beforeEach(() => {
  client = createSocket()
  upstream = createSocket()
})
afterEach(() => test.close())

async function ready(config: Record<string, string> = {}, keyFields: object = {}) {
  test = createTestGateway({ config })
  test.runtime.openSocket = async () => upstream.socket
  admin = createTestAdmin(test)
  await admin.createAccount({ apiKey: 'sk-account-secret' }, 'codex')
  return admin.createKey({ ...keyFields })
}

function open(key: string, acceptSocket = () => ({ answer: accepted, socket: client.socket })) {
  if (!route) throw new Error('No route of a socket')
  const headers = new HeaderList([
    ['upgrade', 'websocket'],
    ['authorization', `Bearer ${key}`],
  ])
  const { signal } = new AbortController()
  const request = { url: '/v1/responses', headers, body: null, signal }
  return serveSocket(test.gateway, route, request, {
    requestId: 'r',
    onKey: () => {},
    acceptSocket,
  })
}
const accepted = { status: 101, headers: new HeaderList(), body: null }

describe('a socket of an account', () => {
  it('is closed where the client’s cannot be accepted', async () => {
    const { key } = await ready()
    const refused = open(key, () => {
      throw new Error('The client does not speak the WebSocket protocol')
    })
    await expect(refused).rejects.toThrow('does not speak')
    expect(upstream.state.closedWith).toBe(1000)
  })
})

const create = (fields: object = {}) => ({ type: 'response.create', model: 'gpt-5', ...fields })

describe('messages between the sockets', () => {
  it('end the sockets where the upstream takes none of those that ask for nothing', async () => {
    const { key } = await ready()
    await open(key)
    upstream.state.pendingBytes = 64 * 1024 * 1024
    client.say({ type: 'response.steer' })
    await client.closed()
    expect(upstream.state.closedWith).toBe(1000)
  })

  it('hide the credential of the account in an error, wherever that names its type', async () => {
    const { key } = await ready()
    await open(key)
    const message = 'The key sk-account-secret is unknown'
    upstream.say({ error: { message }, type: 'error' })
    upstream.say({ type: 'response.failed', response: { error: { message } } })
    expect(JSON.stringify(client.sent)).not.toContain('sk-account-secret')
    expect(client.sent).toHaveLength(2)
  })

  it('are judged by the key as it is, not as it was when the socket was opened', async () => {
    const { id, key } = await ready(
      {},
      { enableModelRestriction: true, restrictedModels: ['gpt-4'] },
    )
    await open(key)
    client.say(create())
    await client.hasSent(1)
    expect(client.sent[0]?.error?.code).toBe('model_not_permitted')
    await admin.call('PUT', `/keys/${id}`, { restrictedModels: ['gpt-4', 'gpt-5'] })
    client.say(create())
    await upstream.hasSent(1)
    expect(upstream.sent).toEqual([create()])
  })
})

describe('a response on a socket', () => {
  it('ends where the upstream falls silent: its lease is released, and the client is told', async () => {
    const { id, key } = await ready({ UPSTREAM_JSON_TIMEOUT_SECONDS: '1' }, { concurrencyLimit: 1 })
    await open(key)
    client.say(create())
    await upstream.hasSent(1)
    await client.closed()
    expect(client.sent.at(-1)).toMatchObject({ type: 'error' })
    await test.deferred()
    expect((await admin.call('GET', `/keys/${id}/stats`)).json.total.costUsd).toBe(0)
    expect(upstream.state.closedWith).toBe(1000)
  })
})
