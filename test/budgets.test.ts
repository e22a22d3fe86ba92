/** The hot path keeps to the counts in budgets.ts, and they do not grow with accounts or with the stream. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { dataCommands } from '../src/node/engines/embedded/commands/table.ts'
import { createEmbeddedEngine } from '../src/node/engines/embedded/engine.ts'
import type { Engine } from '../src/store/redis.ts'
import { budgets } from './budgets.ts'
import { accounts, createBench, failed } from './store/scripts/setup.ts'
import { createTestAdmin, createTestGateway, type TestGateway } from './support/gateway.ts'
import { anthropicJson, json, sse, startUpstream } from './support/upstream.ts'

let store: Engine
const nowMs = Date.UTC(2026, 10, 20, 12)
/** The requests to the store, as they were sent. */
let sent: string[]

beforeEach(() => {
  // A window of a limit that began between two requests would count as commands.
  const engine = createEmbeddedEngine({ path: ':memory:', now: () => nowMs })
  sent = []
  store = {
    ...engine,
    request(request) {
      sent.push(JSON.stringify(request.body))
      return engine.request(request)
    },
  }
})
afterEach(async () => {
  vi.restoreAllMocks()
  await store.close()
})

/** Sends a message and waits until it is settled. */
async function sendMessage(gateway: TestGateway, key: string): Promise<void> {
  const headers = { 'x-api-key': key, 'content-type': 'application/json' }
  const body = '{"model":"claude-x","messages":[]}'
  const response = await gateway.app.request('/v1/messages', { method: 'POST', headers, body })
  expect(response.status).toBe(200)
  await response.text()
  await gateway.deferred()
}

describe('the budget of round trips to the store', () => {
  it('is kept by a cold request, a warm one, after an edit and through a failover', async () => {
    const upstream = await startUpstream()
    upstream.respond(anthropicJson())
    const here = createTestGateway({ engine: store, now: () => nowMs })
    const there = createTestGateway({ engine: store, now: () => nowMs })
    const admin = createTestAdmin(there)
    const { fetch } = here.runtime
    /** How many requests had gone to the store when each attempt left. */
    let left: number[] = []
    here.runtime.fetch = (url, init) => {
      left.push(sent.length)
      return fetch(url, init)
    }
    const send = async (key: string) => {
      sent.length = 0
      left = []
      await sendMessage(here, key)
      return { attempts: left, total: sent.length }
    }
    await admin.createAccount({ apiUrl: upstream.url, name: 'a', apiKey: 'sk-ant-a' })
    await admin.createAccount({ apiUrl: upstream.url, name: 'b', apiKey: 'sk-ant-b' })
    const { key } = await admin.createKey()
    const { roundTrips } = budgets
    // The first calls of a script send its text as well.
    await sendMessage(there, key)
    expect((await send(key)).attempts[0]).toBeLessThanOrEqual(roundTrips.cold)
    const warm = await send(key)
    expect(warm.attempts[0]).toBeLessThanOrEqual(roundTrips.warm)
    expect(warm.total).toBeLessThanOrEqual(roundTrips.warm + roundTrips.settle)
    await admin.createAccount({ apiUrl: upstream.url, name: 'c', apiKey: 'sk-ant-c' })
    expect((await send(key)).attempts[0]).toBeLessThanOrEqual(roundTrips.afterEdit)
    upstream.respond(json(529, {}), anthropicJson())
    await send(key)
    upstream.respond(json(529, {}), anthropicJson())
    const { attempts, total } = await send(key)
    expect(attempts).toHaveLength(2)
    expect(total).toBeLessThanOrEqual(roundTrips.warm + roundTrips.failover + roundTrips.settle)
    await Promise.all([here.close(), there.close()])
    await upstream.close()
  })
})

describe('the budgets of the scripts', () => {
  const id = (i: number) => `019ac000-0000-7000-8000-${String(i).padStart(12, '0')}`

  /** Commands that are called by scripts and clients while `run` runs. */
  async function commandsOf(run: () => Promise<unknown>): Promise<number> {
    const spies = Object.values(dataCommands).map((command) => vi.spyOn(command, 'run'))
    const counted = () => spies.reduce((total, spy) => total + spy.mock.calls.length, 0)
    const before = counted()
    await run()
    const calls = counted() - before
    for (const spy of spies) spy.mockRestore()
    return calls
  }

  /** The scripts of requests of one session whose account can serve, or has just failed. */
  async function measure(count: number) {
    const { admit, reassign, settle } = createBench(
      { engine: store, nowMs: () => nowMs, advance: () => {} },
      `budget-${count}:`,
    )
    const candidates = accounts(...Array.from({ length: count }, (_, i) => id(i)))
    const admitted = async (ledgerId: string) => {
      const reply = await admit(ledgerId, { candidates, sessionKey: 'session' })
      expect(reply).toMatchObject({ kind: 'ok' })
    }
    const others = accounts(...Array.from({ length: count }, (_, i) => id(count + i)))
    const moved = async (ledgerId: string) => {
      const plan = { candidates: others, sessionKey: 'session', failure: failed() }
      expect(await reassign(ledgerId, plan)).toMatchObject({ kind: 'ok' })
    }
    const settled = async (ledgerId: string) =>
      expect(await settle(ledgerId, { accountId: id(0) })).toBe('charged')
    await admitted('first')
    await settled('first')
    sent.length = 0
    const admitCommands = await commandsOf(() => admitted('second'))
    const admitBytes = Buffer.byteLength(sent.at(-1) ?? '')
    const settleCommands = await commandsOf(() => settled('second'))
    await admitted('third')
    const reassignCommands = await commandsOf(() => moved('third'))
    return {
      commands: { admit: admitCommands, reassign: reassignCommands, settle: settleCommands },
      admitBytes,
    }
  }

  it('are kept in commands, as many with five hundred accounts as with one', async () => {
    const { commands } = await measure(1)
    expect((await measure(500)).commands).toEqual(commands)
    expect(commands.admit).toBeLessThanOrEqual(budgets.commands.admit)
    expect(commands.reassign).toBeLessThanOrEqual(budgets.commands.reassign)
    expect(commands.settle).toBeLessThanOrEqual(budgets.commands.settle)
  })

  it('are kept in bytes of an admission', async () => {
    const { with1Account, with200Accounts } = budgets.admitBytes
    expect((await measure(1)).admitBytes).toBeLessThanOrEqual(with1Account)
    expect((await measure(200)).admitBytes).toBeLessThanOrEqual(with200Accounts)
  })
})

describe('the budget of reading a stream', () => {
  const event = (type: string, fields: object) =>
    `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`
  const usage = { input_tokens: 1, output_tokens: 1 }
  const delta = event('content_block_delta', {
    index: 0,
    delta: { type: 'text_delta', text: ' a few words' },
  })

  it('is kept for each delta, however long the stream', async () => {
    const upstream = await startUpstream()
    const gateway = createTestGateway({ engine: store, now: () => nowMs })
    const admin = createTestAdmin(gateway)
    await admin.createAccount({ apiUrl: upstream.url })
    const { key } = await admin.createKey()
    /** JSON texts parsed and bytes decoded in this process for a stream of so many deltas. */
    const work = async (deltas: number) => {
      const head = event('message_start', { message: { content: [], usage } })
      const end = event('message_delta', { delta: { stop_reason: 'end_turn' }, usage })
      const body = head + delta.repeat(deltas) + end + event('message_stop', {})
      upstream.respond(sse(Buffer.from(body)))
      const parse = vi.spyOn(JSON, 'parse')
      const decode = vi.spyOn(TextDecoder.prototype, 'decode')
      const response = await gateway.app.request('/v1/messages', {
        method: 'POST',
        headers: { 'x-api-key': key, 'content-type': 'application/json' },
        body: '{"model":"claude-x","messages":[],"stream":true}',
      })
      expect((await response.arrayBuffer()).byteLength).toBe(Buffer.byteLength(body))
      await gateway.deferred()
      const decodedBytes = decode.mock.calls.map(([bytes]) => bytes?.byteLength ?? 0)
      const counted = {
        jsonTexts: parse.mock.calls.length,
        decodedBytes: decodedBytes.reduce((total, each) => total + each, 0),
      }
      vi.restoreAllMocks()
      return counted
    }
    await work(10)
    const short = await work(1_000)
    const long = await work(10_000)
    const { jsonTexts, decodedBytesPerByte } = budgets.perDelta
    expect((long.jsonTexts - short.jsonTexts) / 9_000).toBeLessThanOrEqual(jsonTexts)
    const decodedBytes = (long.decodedBytes - short.decodedBytes) / 9_000
    expect(decodedBytes / Buffer.byteLength(delta)).toBeLessThanOrEqual(decodedBytesPerByte)
    await gateway.close()
    await upstream.close()
  })
})
