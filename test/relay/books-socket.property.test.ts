/** The books equal what an upstream has reported over WebSockets, however its responses end. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createRunningWork } from '../../src/node/running-work.ts'
import { serveSockets } from '../../src/node/sockets.ts'
import { createSocketOpener } from '../../src/node/transport/open-socket.ts'
import { createBasePaths } from '../../src/relay/base-path.ts'
import { relayRoutes } from '../../src/relay/routes.ts'
import { createRelay } from '../../src/relay/serve.ts'
import { createTestAdmin, createTestGateway, type TestGateway } from '../support/gateway.ts'
import { runs } from '../support/property.ts'
import {
  openSocketClient,
  type SocketClient,
  type SocketUpstream,
  startSocketUpstream,
} from '../support/socket-upstream.ts'
import { eventually } from '../support/wait.ts'
import { partsOf } from './books.answers.ts'
import { drawnCounts } from './books.asks.ts'
import { bookingOf } from './books.oracle.ts'
import type { Script } from './books.script.ts'

let upstream: SocketUpstream
let gateway: TestGateway
let admin: ReturnType<typeof createTestAdmin>
let url: string
const server = createServer()
const sockets = createSocketOpener({ connectTimeoutMs: 10_000, allowPrivateUpstreams: true })
/** Goes on by hours: what has failed is well again. */
let nowMs = Date.now()

beforeAll(async () => {
  upstream = await startSocketUpstream()
  const config = { SOLE_ACCOUNT_RETRY_SECONDS: '0', ACCOUNT_WAIT_SECONDS: '0' }
  gateway = createTestGateway({ config, now: () => nowMs })
  Object.assign(gateway.runtime, { openSocket: sockets.open })
  admin = createTestAdmin(gateway)
  await admin.createAccount({ apiUrl: upstream.url, apiKey: 'sk-ws' }, 'codex')
  serveSockets(server, {
    socketRouteOf: createBasePaths(relayRoutes).socketRouteOf,
    serve: createRelay(gateway.gateway, () => true),
    running: createRunningWork(),
    clock: gateway.runtime,
    maxMessageBytes: 1_000_000,
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/openai/v1/responses`
})
afterAll(async () => {
  server.close()
  await sockets.close()
  await gateway.close()
  await upstream.close()
})

const endings = [
  'complete',
  'incomplete',
  'failed',
  'failedBefore',
  'errorBefore',
  'errorAfter',
  'cutBefore',
  'cutAfter',
  'silence',
] as const

const scripts: fc.Arbitrary<Script[]> = fc.array(
  fc.record({
    operation: fc.constant('responses' as const),
    isStream: fc.constant(true),
    ending: fc.constantFrom(...endings),
    counts: drawnCounts.map((counts) => ({
      ...counts,
      reasoning: Math.min(counts.reasoning, counts.output),
    })),
    deltas: fc.array(fc.stringMatching(/^[a-z ]{1,60}$/), { minLength: 1, maxLength: 4 }),
    isText: fc.boolean(),
    report: fc.constant('both' as const),
    pieceBytes: fc.constant(1),
    id: fc.constant('resp_ws'),
  }),
  { minLength: 1, maxLength: 5 },
)

/** The messages of a response: the data of the events of a stream. */
function messagesOf(script: Script): string[] {
  const { ending } = script
  const { preamble, content, end, error } = partsOf.responses(script)
  const isWhole = ['complete', 'incomplete', 'failed', 'failedBefore'].includes(ending)
  const events = [
    ...preamble,
    ...(ending.endsWith('Before') ? [] : content),
    ...(ending.startsWith('error') ? [error] : []),
    ...(isWhole ? end : []),
  ]
  return events.map((event) => event.slice(event.indexOf('\ndata: ') + '\ndata: '.length).trim())
}

/** Lets one response run on the socket; true if the socket is over with it. */
async function runResponse(client: SocketClient, script: Script): Promise<boolean> {
  const { ending } = script
  const messages = messagesOf(script)
  upstream.behave((_, socket) => {
    for (const message of messages) socket.send(message)
    if (ending.startsWith('cut')) setImmediate(() => socket.terminate())
  })
  const before = client.messages.length
  client.send({ type: 'response.create', model: 'gpt-5', input: [] })
  if (ending.startsWith('cut')) {
    await client.closed
    return true
  }
  await eventually(() => expect(client.messages.length).toBe(before + messages.length))
  if (ending !== 'silence') return false
  client.close()
  await client.closed
  return true
}

async function booksAreRight(list: Script[]): Promise<void> {
  const key = await admin.createKey()
  let client: SocketClient | undefined
  const wanted = { requests: 0, estimatedRequests: 0, seen: 0 }
  const sums = { inputTokens: 0, cacheReadTokens: 0, cacheCreateTokens: 0, outputTokens: 0 }
  for (const script of list) {
    nowMs += 3 * 60 * 60_000
    client ??= await openSocketClient(url, key.key)
    if (await runResponse(client, script)) client = undefined
    // The client sees the failure with its counts: over a socket no other account is asked.
    const shown =
      script.ending === 'failedBefore' ? { ...script, ending: 'failed' as const } : script
    const { fresh, read, written, writtenLong, output } = script.counts
    const isEmpty = fresh + read + written + writtenLong + output === 0
    const isFree = script.ending === 'failedBefore' && isEmpty
    const booking = isFree ? undefined : bookingOf(shown, true, nowMs)
    if (isFree || booking?.kind !== 'nothing') wanted.requests++
    if (booking?.kind === 'exact') {
      sums.inputTokens += fresh
      sums.cacheReadTokens += read
      sums.cacheCreateTokens += written + writtenLong
      sums.outputTokens += output
    }
    if (booking?.kind === 'estimated') {
      wanted.estimatedRequests++
      wanted.seen += booking.atLeast.outputTokens
    }
    const { requests, estimatedRequests } = wanted
    const total = await eventually(async () => {
      await gateway.deferred()
      const { total } = (await admin.call('GET', `/keys/${key.id}/stats`)).json
      expect(total).toMatchObject({ requests, estimatedRequests, orphanedRequests: 0 })
      return total
    })
    expect(total.cacheReadTokens).toBe(sums.cacheReadTokens)
    expect(total.cacheCreateTokens).toBe(sums.cacheCreateTokens)
    expect(total.outputTokens).toBeGreaterThanOrEqual(sums.outputTokens + wanted.seen)
    if (estimatedRequests === 0) expect(total).toMatchObject(sums)
  }
  client?.close()
  const { keyspace } = gateway.gateway
  await eventually(async () =>
    expect(await gateway.runtime.redis.zcard(keyspace.keyLeases(key.id))).toBe(0),
  )
  expect(await gateway.runtime.redis.zcard(keyspace.poolLeases('codex'))).toBe(0)
}

it('the books of a key hold what was reported for each response of its sockets', async () => {
  await fc.assert(fc.asyncProperty(scripts, booksAreRight), runs(25))
})
