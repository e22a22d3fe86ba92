/** How often a request asks the store before it leaves, counted at the engine. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createEmbeddedEngine } from '../../src/node/engines/embedded/engine.ts'
import type { Engine } from '../../src/store/redis.ts'
import { createTestAdmin, createTestGateway, type TestGateway } from '../support/gateway.ts'
import { anthropicJson, json, startUpstream, type Upstream } from '../support/upstream.ts'

/** An engine that counts requests while the upstream has not been asked yet. */
function counting(engine: Engine) {
  let count = 0
  const counted: Engine = {
    ...engine,
    request(request) {
      count += 1
      return engine.request(request)
    },
  }
  return {
    engine: counted,
    take() {
      const taken = count
      count = 0
      return taken
    },
  }
}

let store: Engine
let upstream: Upstream
const open: TestGateway[] = []

/** One more process over the same store. */
function startGateway() {
  const counter = counting(store)
  let beforeUpstream: number | undefined
  const gateway = createTestGateway({ engine: counter.engine })
  const { fetch } = gateway.runtime
  gateway.runtime.fetch = (url, init) => {
    beforeUpstream ??= counter.take()
    return fetch(url, init)
  }
  open.push(gateway)
  return {
    ...gateway,
    admin: createTestAdmin(gateway),
    /** Sends a message; resolves to its status and the round trips before it first left. */
    async send(key: string) {
      await gateway.deferred()
      counter.take()
      beforeUpstream = undefined
      const response = await gateway.app.request('/v1/messages', {
        method: 'POST',
        headers: { 'x-api-key': key, 'content-type': 'application/json' },
        body: '{"model":"claude-x","messages":[]}',
      })
      return { status: response.status, before: beforeUpstream ?? counter.take() }
    },
    total: counter.take,
  }
}

beforeEach(async () => {
  store = createEmbeddedEngine({ path: ':memory:' })
  upstream = await startUpstream()
  upstream.respond(anthropicJson())
})
afterEach(async () => {
  await Promise.all(open.splice(0).map((gateway) => gateway.close()))
  await store.close()
  await upstream.close()
})

describe('store round trips before the request leaves', () => {
  it('are 2 cold and 1 warm, and 1 more settles', async () => {
    const first = startGateway()
    await first.admin.createAccount({ apiUrl: upstream.url })
    const { key } = await first.admin.createKey()
    // The scripts are known to the store after their first use.
    await startGateway().send(key)
    const gateway = startGateway()
    expect(await gateway.send(key)).toEqual({ status: 200, before: 2 })
    expect(await gateway.send(key)).toEqual({ status: 200, before: 1 })
    gateway.total()
    await gateway.send(key)
    await gateway.deferred()
    expect(gateway.total()).toBe(1)
  })

  it('are 2 after an edit elsewhere, which the request obeys', async () => {
    const here = startGateway()
    const there = startGateway()
    await there.admin.createAccount({ apiUrl: upstream.url })
    const { id, key } = await there.admin.createKey()
    await here.send(key)
    expect(await here.send(key)).toEqual({ status: 200, before: 1 })
    await there.admin.createAccount({ apiUrl: upstream.url, name: 'second' })
    expect(await here.send(key)).toEqual({ status: 200, before: 2 })
    expect(await here.send(key)).toEqual({ status: 200, before: 1 })
    await there.admin.call('DELETE', `/keys/${id}`)
    expect(await here.send(key)).toEqual({ status: 401, before: 1 })
  })

  it('are 2 for a key that was created a moment ago elsewhere', async () => {
    const here = startGateway()
    const there = startGateway()
    await there.admin.createAccount({ apiUrl: upstream.url })
    await here.send((await there.admin.createKey()).key)
    const { key } = await there.admin.createKey()
    expect(await here.send(key)).toEqual({ status: 200, before: 2 })
  })

  it('are 1 for a refusal that memory alone would have given, and 1 behind it that keeps why', async () => {
    const here = startGateway()
    const { key } = await here.admin.createKey()
    expect((await here.send(key)).status).toBe(503)
    expect(await here.send(key)).toEqual({ status: 503, before: 1 + 1 })
  })

  it('are none for an unknown key that was asked for a moment ago', async () => {
    const here = startGateway()
    const unknown = `cr_${'x'.repeat(32)}`
    expect(await here.send(unknown)).toEqual({ status: 401, before: 1 })
    expect(await here.send(unknown)).toEqual({ status: 401, before: 0 })
  })

  it.each([
    'cr_unknown',
    `cr_${'x'.repeat(31)}-`,
    `sk-ant-api03-${'x'.repeat(32)}`,
    'x'.repeat(5_000),
  ])('are none for what can be no gateway key: %s', async (key) => {
    expect(await startGateway().send(key)).toEqual({ status: 401, before: 0 })
  })

  it('are 1 for a key that memory knows to be deleted, which may have been restored elsewhere', async () => {
    const here = startGateway()
    const there = startGateway()
    await there.admin.createAccount({ apiUrl: upstream.url })
    const { id, key } = await there.admin.createKey()
    await here.send(key)
    await there.admin.call('DELETE', `/keys/${id}`)
    expect((await here.send(key)).status).toBe(401)
    expect(await here.send(key)).toEqual({ status: 401, before: 1 })
    await there.admin.call('POST', `/keys/${id}/restore`)
    expect(await here.send(key)).toEqual({ status: 200, before: 2 })
  })

  it('are 2 when the store has lost what memory still knows, which is then forgotten', async () => {
    const here = startGateway()
    await here.admin.createAccount({ apiUrl: upstream.url })
    const { key } = await here.admin.createKey()
    expect((await here.send(key)).status).toBe(200)
    await here.deferred()
    await store.request({ body: ['DEL', here.gateway.keyspace.pool] })
    expect(await here.send(key)).toEqual({ status: 503, before: 2 + 1 })
    await store.request({ body: ['FLUSHALL'] })
    expect((await here.send(key)).status).toBe(401)
  })

  it('grow by 1 with each failover', async () => {
    const here = startGateway()
    for (const name of ['a', 'b', 'c']) {
      await here.admin.createAccount({ apiUrl: upstream.url, name, apiKey: `sk-ant-${name}` })
    }
    const { key } = await here.admin.createKey()
    await here.send(key)
    // Both failures and the success are one request each; scripts are known after the first round.
    upstream.respond(json(529, {}), anthropicJson())
    await here.send(key)
    await here.deferred()
    upstream.respond(json(529, {}), anthropicJson())
    here.total()
    expect((await here.send(key)).status).toBe(200)
    await here.deferred()
    // admit was counted before the upstream: reassign and settle remain.
    expect(here.total()).toBe(2)
  })
})
