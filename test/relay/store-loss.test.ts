/** What a request does when the store answers late, never, or forgets to say that it did. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createEmbeddedEngine } from '../../src/node/engines/embedded/engine.ts'
import { replayJournal } from '../../src/relay/settlement/deliver.ts'
import { settleOrphans } from '../../src/relay/settlement/orphans.ts'
import type { SettlementJournal } from '../../src/runtime.ts'
import type { Engine } from '../../src/store/redis.ts'
import { schemaVersion } from '../../src/store/schema.ts'
import { createTestAdmin, createTestGateway, type TestGateway } from '../support/gateway.ts'
import { anthropicJson, json, startUpstream, type Upstream } from '../support/upstream.ts'

type Fault = 'none' | 'drop request' | 'drop reply'

let store: Engine
let fault: Fault
let upstream: Upstream
let gateway: TestGateway
let admin: ReturnType<typeof createTestAdmin>
let id: string
let key: string

const faulty = (engine: Engine): Engine => ({
  ...engine,
  async request(request) {
    if (fault === 'drop request') throw new Error('lost: secret command arguments')
    const reply = await engine.request<never>(request)
    if (fault === 'drop reply') throw new Error('lost: secret command arguments')
    return reply
  },
})

beforeEach(async () => {
  store = createEmbeddedEngine({ path: ':memory:' })
  fault = 'none'
  upstream = await startUpstream()
  gateway = createTestGateway({ engine: faulty(store) })
  admin = createTestAdmin(gateway)
  await admin.createAccount({ apiUrl: upstream.url })
  ;({ id, key } = await admin.createKey({ concurrencyLimit: 1 }))
  expect((await send()).status).toBe(200)
  await gateway.deferred()
})
afterEach(async () => {
  fault = 'none'
  await gateway.close()
  await store.close()
  await upstream.close()
})

const send = async () =>
  gateway.app.request('/v1/messages', {
    method: 'POST',
    headers: { 'x-api-key': key, 'content-type': 'application/json' },
    body: '{"model":"claude-x","messages":[]}',
  })
const total = async () => (await admin.call('GET', `/keys/${id}/stats`)).json.total

describe('a store that cannot be reached', () => {
  it('is a 503 in the envelope, which tells nothing of the store', async () => {
    fault = 'drop request'
    const response = await send()
    expect(response.status).toBe(503)
    const text = await response.text()
    expect(JSON.parse(text)).toMatchObject({ type: 'error', error: { type: 'api_error' } })
    expect(text).not.toContain('secret')
    expect(gateway.lines.join('\n')).not.toContain('secret')
    expect((await gateway.app.request('/health')).status).toBe(503)
  })

  it('leaves no lease when only the reply of the admission was lost', async () => {
    fault = 'drop reply'
    expect((await send()).status).toBe(503)
    fault = 'none'
    await gateway.deferred()
    expect((await send()).status).toBe(200)
    await gateway.deferred()
    expect(await total()).toMatchObject({ requests: 2, orphanedRequests: 0 })
  })

  it('charges once when only the reply of the settlement was lost', async () => {
    upstream.respond((exchange) => {
      fault = 'drop reply'
      setTimeout(() => {
        fault = 'none'
      }, 250)
      return anthropicJson()(exchange)
    })
    expect((await send()).status).toBe(200)
    await gateway.deferred()
    expect(await total()).toMatchObject({ requests: 2, inputTokens: 24 })
  })

  it('answers 503 when it vanishes between two accounts, and leaves no lease', async () => {
    await admin.createAccount({ apiUrl: upstream.url, name: 'second' })
    upstream.respond((exchange) => {
      fault = 'drop request'
      return json(529, {})(exchange)
    }, anthropicJson())
    expect((await send()).status).toBe(503)
    fault = 'none'
    await gateway.deferred()
    expect((await send()).status).toBe(200)
  })
})

describe('the settlement journal', () => {
  const createJournal = (): SettlementJournal => {
    const entries = new Map<string, { payload: string; createdAtMs: number }>()
    return {
      async put(ledgerId, payload, createdAtMs) {
        entries.set(ledgerId, { payload, createdAtMs })
      },
      get: (ledgerId) => entries.get(ledgerId)?.payload,
      remove: (ledgerId) => void entries.delete(ledgerId),
      pending: () => [...entries].map(([ledgerId, entry]) => ({ ledgerId, ...entry })),
    }
  }

  it('holds a settlement until the store has confirmed it', async () => {
    const journal = createJournal()
    gateway.runtime.journal = journal
    upstream.respond((exchange) => {
      fault = 'drop request'
      return anthropicJson()(exchange)
    })
    expect((await send()).status).toBe(200)
    expect(journal.pending()).toHaveLength(1)
    fault = 'none'
    await gateway.deferred()
    expect(journal.pending()).toHaveLength(0)
  })

  it('keeps a receipt whose lease has expired: it is charged, and no orphan instead', async () => {
    const journal = createJournal()
    gateway.runtime.journal = journal
    upstream.respond((exchange) => {
      fault = 'drop request'
      return anthropicJson()(exchange)
    })
    expect((await send()).status).toBe(200)
    const [entry] = journal.pending()
    fault = 'none'
    const counters = await store.request<string[]>({
      body: ['ZRANGE', gateway.gateway.keyspace.keyLeases(id), '0', '-1'],
    })
    await settleOrphans(gateway.gateway, counters.result ?? [])
    expect(entry).toBeDefined()
    expect(journal.pending()).toHaveLength(0)
    expect(await total()).toMatchObject({ requests: 2, orphanedRequests: 0 })
    await gateway.deferred()
    expect(await total()).toMatchObject({ requests: 2, orphanedRequests: 0 })
  })

  it('that cannot be written costs no settlement', async () => {
    const journal = createJournal()
    gateway.runtime.journal = {
      ...journal,
      async put() {
        throw new Error('disk full')
      },
    }
    expect((await send()).status).toBe(200)
    await gateway.deferred()
    expect(await total()).toMatchObject({ requests: 2 })
    expect(gateway.logged('journal_failed')).toHaveLength(1)
  })

  it('is replayed by the next process, once', async () => {
    const journal = createJournal()
    gateway.runtime.journal = { ...journal, remove: () => {} }
    await send()
    await gateway.deferred()
    expect(journal.pending()).toHaveLength(1)
    await replayJournal({ ...gateway.gateway, runtime: { ...gateway.runtime, journal } }, 60_000)
    expect(journal.pending()).toHaveLength(0)
    expect(await total()).toMatchObject({ requests: 2 })
  })

  it('sets entries aside that are older than the marker of their request', async () => {
    const journal = createJournal()
    journal.put('old', '{}', gateway.runtime.now() - 60_001)
    await replayJournal({ ...gateway.gateway, runtime: { ...gateway.runtime, journal } }, 60_000)
    expect(journal.pending()).toHaveLength(1)
    expect(gateway.logged('journal_entry_too_old')).toHaveLength(1)
  })

  it('of version 0.1.0 is read, of a newer gateway or a damaged one set aside, and the rest goes on', async () => {
    const journal = createJournal()
    gateway.runtime.journal = { ...journal, remove: () => {} }
    await send()
    await gateway.deferred()
    const [entry] = journal.pending()
    const { format, poolId: platform, client, rows, ...rest } = JSON.parse(entry?.payload ?? '')
    const day = new Date(gateway.runtime.now()).toISOString()
    const buckets = {
      hour: `hour:${day.slice(0, 13)}`,
      day: `day:${day.slice(0, 10)}`,
      month: `month:${day.slice(0, 7)}`,
      week: 'week:2026-11-23',
      hourPruneBefore: 'hour:2026-10-01T00',
      dayPruneBefore: 'day:2025-10-01',
    }
    const old = { ...rest, platform, buckets }
    expect(format).toBe(schemaVersion)
    const nowMs = gateway.runtime.now()
    journal.remove(old.ledgerId)
    journal.put('newer', JSON.stringify({ ...old, format: schemaVersion + 1 }), nowMs)
    journal.put('damaged', '{"ledgerId', nowMs)
    journal.put('empty', '{}', nowMs)
    journal.put('no sums', JSON.stringify({ ...old, amounts: 'one:two' }), nowMs)
    journal.put('no cost', JSON.stringify({ ...old, costNanoUsd: '1' }), nowMs)
    const first = { ...old, ledgerId: crypto.randomUUID() }
    journal.put(first.ledgerId, JSON.stringify(first), nowMs)
    const before = await total()
    await replayJournal({ ...gateway.gateway, runtime: { ...gateway.runtime, journal } }, 60_000)
    const setAside = ['newer', 'damaged', 'empty', 'no sums', 'no cost']
    expect(journal.pending().map(({ ledgerId }) => ledgerId)).toEqual(setAside)
    const unreadable = setAside.map((ledgerId) => ({ ledgerId }))
    expect(gateway.logged('journal_entry_unreadable')).toMatchObject(unreadable)
    expect((await total()).requests).toBe(before.requests + 1)
  })

  it('that cannot be read ends no delivery', async () => {
    const journal = createJournal()
    const unreadable = () => {
      throw new Error('disk gone')
    }
    gateway.runtime.journal = { ...journal, get: unreadable }
    upstream.respond((exchange) => {
      fault = 'drop request'
      return anthropicJson()(exchange)
    })
    expect((await send()).status).toBe(200)
    fault = 'none'
    await gateway.deferred()
    expect(gateway.logged('journal_failed')).toHaveLength(1)
    expect(await total()).toMatchObject({ requests: 2, orphanedRequests: 0 })
  })

  it('sets aside what the store refuses again and again, with its receipt, and sends the rest', async () => {
    const journal = createJournal()
    gateway.runtime.journal = { ...journal, remove: () => {} }
    await send()
    await gateway.deferred()
    const [entry] = journal.pending()
    const whole = JSON.parse(entry?.payload ?? '')
    journal.remove(whole.ledgerId)
    const nowMs = gateway.runtime.now()
    const refused = { ...whole, ledgerId: crypto.randomUUID() }
    const marker = gateway.gateway.keyspace.request(refused.ledgerId)
    await store.request({ body: ['SET', marker, 'not a hash'] })
    const good = { ...whole, ledgerId: crypto.randomUUID() }
    await journal.put(refused.ledgerId, JSON.stringify(refused), nowMs)
    journal.put('no text', undefined as unknown as string, nowMs)
    journal.put(good.ledgerId, JSON.stringify(good), nowMs)
    const before = await total()
    await replayJournal({ ...gateway.gateway, runtime: { ...gateway.runtime, journal } }, 60_000)
    expect(journal.pending().map(({ ledgerId }) => ledgerId)).toEqual([refused.ledgerId, 'no text'])
    const [undelivered] = gateway.logged('settlement_undelivered')
    expect(JSON.parse(String(undelivered?.receipt))).toMatchObject({ ledgerId: refused.ledgerId })
    expect(String(undelivered?.error)).toContain('The store refused a command')
    expect(gateway.logged('journal_entry_unreadable')).toMatchObject([{ ledgerId: 'no text' }])
    expect((await total()).requests).toBe(before.requests + 1)
  })
})
