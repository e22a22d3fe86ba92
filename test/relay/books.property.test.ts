/** The books equal what upstreams have reported, whatever is asked for and however it ends. */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { decodeLoad } from '../../src/store/records/load.ts'
import { createTestAdmin, createTestGateway, type TestGateway } from '../support/gateway.ts'
import { runs } from '../support/property.ts'
import { type Behaviour, json, startUpstream, type Upstream } from '../support/upstream.ts'
import { answerOf } from './books.answers.ts'
import { type Ask, asks, failures, type Metered, refusal, type Unmetered } from './books.asks.ts'
import { bookingOf, type Charge, nothing } from './books.oracle.ts'
import type { Script } from './books.script.ts'

let upstream: Upstream
let gateway: TestGateway
let admin: ReturnType<typeof createTestAdmin>
/** Goes on by hours from request to request: what has failed is well again. */
let nowMs = Date.now()
const accountIds: { pool: 'claude-console' | 'codex'; id: string }[] = []

beforeAll(async () => {
  upstream = await startUpstream()
  const config = { SOLE_ACCOUNT_RETRY_SECONDS: '0', ACCOUNT_WAIT_SECONDS: '0' }
  gateway = createTestGateway({ config, now: () => nowMs })
  admin = createTestAdmin(gateway)
  for (const name of ['a', 'b']) {
    for (const pool of ['claude-console', 'codex'] as const) {
      const apiUrl = pool === 'codex' ? `${upstream.url}/v1` : upstream.url
      const { id } = await admin.createAccount({ apiUrl, name, apiKey: `sk-${name}` }, pool)
      accountIds.push({ pool, id })
    }
  }
})
afterAll(async () => {
  await gateway.close()
  await upstream.close()
})

const unmeteredPaths = {
  count_tokens: '/v1/messages/count_tokens',
  input_tokens: '/openai/v1/responses/input_tokens',
  stored: '/openai/v1/responses/',
}
const paths = {
  messages: '/v1/messages',
  responses: '/openai/v1/responses',
  responses_compact: '/openai/v1/responses/compact',
  chat: '/openai/v1/chat/completions',
}

interface Key {
  id: string
  key: string
}

const send = (path: string, { key }: Key, body?: object) =>
  gateway.app.request(path, {
    method: body ? 'POST' : 'GET',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  })

/** Reads an answer; one that falls silent after its content is left then. */
async function readAnswer(response: Response, isSilent: boolean): Promise<void> {
  if (!isSilent || !response.ok) return void (await response.text())
  const reader = response.body?.getReader()
  for (let text = ''; !text.includes(' END'); ) {
    const { value, done } = (await reader?.read()) ?? { done: true }
    if (done) return
    text += Buffer.from(value ?? []).toString()
  }
  await reader?.cancel()
}

async function totalOf({ id }: Key): Promise<Charge> {
  await gateway.deferred()
  const { total } = (await admin.call('GET', `/keys/${id}/stats`)).json
  const read = { ...total, costNanoUsd: Math.round(total.costUsd * 1e9) }
  const names = Object.keys(nothing) as (keyof Charge)[]
  return Object.fromEntries(names.map((name) => [name, read[name]])) as Charge
}

const combined = (a: Charge, b: Charge, combine: (a: number, b: number) => number): Charge => {
  const names = Object.keys(nothing) as (keyof Charge)[]
  return Object.fromEntries(names.map((name) => [name, combine(a[name], b[name])])) as Charge
}

/** Asks, and returns the status and what each account that was asked has given, in that order. */
async function ask(
  key: Key,
  asked: Metered,
): Promise<{ status: number; given: (Script | string)[] }> {
  const given: (Script | string)[] = []
  const giving =
    (what: Script | string, behaviour: Behaviour): Behaviour =>
    (exchange) => {
      given.push(what)
      return behaviour(exchange)
    }
  const { script, second, wantsStream, includeUsage } = asked
  upstream.respond(
    ...(asked.failure ? [giving(asked.failure, failures[asked.failure])] : []),
    asked.isRefused ? giving('refusal', refusal) : giving(script, answerOf(script)),
    giving(second, answerOf(second)),
  )
  const { operation } = script
  const messages = [{ role: 'user', content: 'Say it' }]
  const response = await send(paths[operation], key, {
    model: operation === 'messages' ? 'claude-sonnet-4-6' : 'gpt-5',
    ...(operation.startsWith('responses') ? { input: 'Say it' } : { messages }),
    ...(wantsStream && { stream: true }),
    ...(operation === 'chat' && includeUsage && { stream_options: { include_usage: true } }),
  })
  await readAnswer(
    response,
    script.ending === 'silence' && given.includes(script) && !given.includes(second),
  )
  return { status: response.status, given }
}

async function askMetered(key: Key, asked: Metered, before: Charge): Promise<void> {
  const { status, given } = await ask(key, asked)
  const bookings = given.map((what) =>
    typeof what === 'string'
      ? ({ kind: 'nothing' } as const)
      : bookingOf(what, asked.wantsStream, nowMs),
  )
  const shown = bookings.pop() ?? { kind: 'nothing' }
  // What was shown is the last that was given.
  for (const { kind } of bookings) expect(kind).toBe('nothing')
  const last = given.at(-1)
  // A stream has begun before its upstream refuses the request.
  const isRefused = typeof last === 'object' && last.ending === 'refusedBefore'
  if (!isRefused || !asked.wantsStream) expect(status === 200).toBe(shown.kind !== 'nothing')
  if (isRefused) expect(status).toBeLessThan(500)
  const charged = combined(await totalOf(key), before, (after, earlier) => after - earlier)
  if (shown.kind === 'nothing') expect(charged).toEqual(nothing)
  if (shown.kind === 'exact') expect(charged).toEqual(shown.charge)
  if (shown.kind !== 'estimated') return
  const { atLeast, isInputKnown } = shown
  expect(combined(charged, atLeast, Math.min)).toEqual(atLeast)
  expect(charged).toMatchObject({ requests: 1, estimatedRequests: 1, unpricedRequests: 0 })
  if (isInputKnown) {
    const { inputTokens, cacheReadTokens, cacheCreate5mTokens, cacheCreate1hTokens } = atLeast
    const known = { inputTokens, cacheReadTokens, cacheCreate5mTokens, cacheCreate1hTokens }
    expect(charged).toMatchObject(known)
  }
}

async function askUnmetered(key: Key, { kind, failure }: Unmetered): Promise<void> {
  const usage = { input_tokens: 1_000, output_tokens: 1_000 }
  const answer =
    kind === 'stored'
      ? json(200, { id: 'resp_1', object: 'response', status: 'completed', output: [], usage })
      : json(200, { input_tokens: 1_000 })
  upstream.respond(...(failure ? [failures[failure]] : []), answer)
  const body = { model: kind === 'count_tokens' ? 'claude-sonnet-4-6' : 'gpt-5', messages: [] }
  const response = await (kind === 'stored'
    ? send(`${unmeteredPaths.stored}resp_1`, key)
    : send(unmeteredPaths[kind], key, body))
  await response.text()
}

/** No lease and no reservation is left. */
async function checkPeace({ id }: Key): Promise<void> {
  const { keyspace } = gateway.gateway
  const { redis } = gateway.runtime
  expect(await redis.zcard(keyspace.keyLeases(id))).toBe(0)
  expect(await redis.zcard(keyspace.orphans)).toBe(0)
  const held = await redis.hget(keyspace.keyCounters(id), 'heldNanoUsd')
  expect(Number(held ?? 0)).toBe(0)
  for (const { pool, id: accountId } of accountIds) {
    expect(await redis.zcard(keyspace.poolLeases(pool))).toBe(0)
    const load = decodeLoad(await redis.hget<string>(keyspace.load(pool), accountId))
    expect(load).toMatchObject({ inflight: 0, reservedNanoUsd: 0 })
  }
}

async function booksAreRight(list: Ask[]): Promise<void> {
  const key = (await admin.createKey()) as Key
  let before: Charge = nothing
  for (const asked of list) {
    nowMs += 3 * 60 * 60_000
    if (asked.kind === 'metered') await askMetered(key, asked, before)
    else {
      await askUnmetered(key, asked)
      expect(await totalOf(key)).toEqual(before)
    }
    before = await totalOf(key)
  }
  await checkPeace(key)
}

describe('the books of a key', () => {
  it('hold what was reported for each answer that was shown, and nothing else', async () => {
    await fc.assert(fc.asyncProperty(asks, booksAreRight), runs(60))
  })
})
