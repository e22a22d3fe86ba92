/**
 * Hostile bodies of one client beside a stream of another over real sockets. No clock tells: each delta
 * is sent when the one before has arrived, so that their number says how often the process was free.
 */
import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestAdmin, createTestGateway, type TestGateway } from '../support/gateway.ts'
import { has } from '../support/lanes.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { until } from '../support/wait.ts'

const megabyte = 1024 * 1024
/** As much as is scanned without a pause, whatever the number of requests. */
const perTurnBytes = 256 * 1024
/** A delta passes upstream, gateway and client, each in turns of their own. */
const turnsPerDelta = 8

/** Bodies that are wrong in their last byte, so that all of them is scanned and nothing else is done. */
const wrapped = (messages: string) => `{"model":"m","messages":${messages}!`
const bodies = (bytes: number): [name: string, body: string][] => [
  ['[{},{},…]', wrapped(`[${'{},'.repeat(bytes / 3)}`)],
  [
    'deep nesting, again and again',
    wrapped(`[${`${'['.repeat(500)}${']'.repeat(500)},`.repeat(bytes / 1_001)}`),
  ],
  ['a long string', wrapped(`["${'x'.repeat(bytes)}"`)],
  ['a long string of escapes', wrapped(`["${'\\u0041'.repeat(bytes / 6)}"`)],
  ['many keys', wrapped(`[{${'"k":0,'.repeat(bytes / 6)}`)],
  ['white space', wrapped(`[${`${' '.repeat(60_000)}0,`.repeat(bytes / 60_002)}`)],
]

describe.runIf(has('long runs'))('a stream beside hostile bodies', () => {
  let upstream: Upstream
  let gateway: TestGateway
  let server: Server
  let key: string
  let deltas = 0
  let arrived = () => {}
  const leaving = new AbortController()

  beforeAll(async () => {
    upstream = await startUpstream()
    upstream.respond(async ({ response }) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      while (!response.destroyed) {
        const taken = new Promise<void>((resolve) => {
          arrived = resolve
        })
        response.write('event: content_block_delta\ndata: {"type":"content_block_delta"}\n\n')
        await taken
      }
    })
    gateway = createTestGateway()
    const admin = createTestAdmin(gateway)
    await admin.createAccount({ apiUrl: upstream.url })
    ;({ key } = await admin.createKey())
    server = createAdaptorServer({ fetch: gateway.app.fetch }) as Server
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const watched = await fetch(`http://127.0.0.1:${port}/v1/messages`, {
      method: 'POST',
      headers: { 'x-api-key': key, 'content-type': 'application/json' },
      body: '{"model":"m","stream":true,"messages":[]}',
      signal: leaving.signal,
    })
    const reading = (async () => {
      for await (const _ of watched.body ?? []) {
        deltas++
        arrived()
      }
    })()
    reading.catch(() => {})
    await until(() => deltas > 3)
  })
  afterAll(async () => {
    leaving.abort()
    arrived()
    server.close()
    server.closeAllConnections()
    await gateway.close()
    await upstream.close()
  })

  const send = async (body: string) => {
    const headers = { 'x-api-key': key, 'content-type': 'application/json' }
    const answer = await gateway.app.request('/v1/messages', { method: 'POST', headers, body })
    return answer.status
  }

  it.each(bodies(16 * megabyte))('goes on while one large body is read: %s', async (_, body) => {
    const before = deltas
    expect(await send(body)).toBe(400)
    expect(deltas - before).toBeGreaterThan(body.length / perTurnBytes / turnsPerDelta)
  })

  it.each(bodies(megabyte))(
    'goes on while sixteen bodies are read at once: %s',
    async (_, body) => {
      const before = deltas
      const statuses = await Promise.all(Array.from({ length: 16 }, () => send(body)))
      expect(statuses).toEqual(Array(16).fill(400))
      expect(deltas - before).toBeGreaterThan((16 * body.length) / perTurnBytes / turnsPerDelta)
    },
  )

  it.each(bodies(100 * 1024))('goes on while many shorter bodies are read: %s', async (_, body) => {
    const before = deltas
    await Promise.all(Array.from({ length: 150 }, () => send(body)))
    expect(deltas - before).toBeGreaterThan((150 * body.length) / perTurnBytes / turnsPerDelta)
  })
})
