import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createTestAdmin, createTestGateway, type TestGateway } from '../support/gateway.ts'
import { json, startUpstream, type Upstream } from '../support/upstream.ts'

let test: TestGateway
let admin: ReturnType<typeof createTestAdmin>
let upstream: Upstream

beforeEach(async () => {
  upstream = await startUpstream()
  test = createTestGateway()
  admin = createTestAdmin(test)
})
afterEach(async () => {
  await test.close()
  await upstream.close()
})

const price = { model: 'claude-opus-5', input: 4, output: 20 }
const put = (fields: object) => admin.call('PUT', '/prices', fields)
const list = async (query = '') => (await admin.call('GET', `/prices${query}`)).json
const names = async (query = '') =>
  (await list(query)).data.map(({ model, accountId }: { model: string; accountId: string }) => [
    ...[model, accountId],
  ])
const audited = async () =>
  (await admin.call('GET', '/audit?limit=1')).json.data[0] as Record<string, unknown>

describe('PUT /prices', () => {
  it('sets a price, which the list and the audit trail show', async () => {
    const { status, json } = await put({ ...price, model: ' Claude-Opus-5[1m] ', note: 'contract' })
    expect(status).toBe(200)
    expect(json).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      model: 'claude-opus-5',
      accountId: null,
      input: 4,
      output: 20,
      cacheRead: null,
      cacheWrite5m: null,
      cacheWrite1h: null,
      cacheWrite30m: null,
      cacheWrite12h: null,
      webSearch: 0,
      longContext: null,
      note: 'contract',
      updatedAt: expect.any(String),
    })
    expect(await list()).toEqual({ data: [json], nextCursor: null })
    expect(await audited()).toMatchObject({ action: 'price.set', targetId: json.id, before: null })
  })

  it('replaces the price of the same model and account, and no other', async () => {
    const { id: accountId } = await admin.createAccount()
    const first = (await put(price)).json
    await put({ ...price, accountId, input: 3 })
    const second = (await put({ ...price, input: 5 })).json
    expect(second).toMatchObject({ id: first.id, input: 5 })
    expect(second.updatedAt > first.updatedAt).toBe(true)
    expect(await audited()).toMatchObject({ before: { input: 4 }, after: { input: 5 } })
    expect(await names()).toEqual([
      ['claude-opus-5', null],
      ['claude-opus-5', accountId],
    ])
  })

  it('changes nothing, and records nothing, where the price is so already', async () => {
    const first = (await put(price)).json
    const before = await audited()
    expect((await put(price)).json).toEqual(first)
    expect(await audited()).toEqual(before)
  })

  it.each([
    [{ ...price, input: -1 }, 'input'],
    [{ ...price, output: undefined }, 'output'],
    [{ ...price, accountId: 'nobody' }, 'accountId'],
    [{ ...price, unknown: 1 }, 'unknown'],
    [{ ...price, longContext: { aboveInputTokens: 0, input: 1, output: 1 } }, 'longContext'],
  ])('refuses %j and names the field', async (fields, field) => {
    const { status, json } = await put(fields)
    expect(status).toBe(400)
    expect(json.error.issues[0].field).toContain(field)
  })

  it('is kept to 500 prices', async () => {
    const prices = Array.from({ length: 500 }, (_, i) => ({ ...price, model: `m${i}` }))
    await admin.call('POST', '/prices/import', { version: 1, prices })
    expect((await put(price)).status).toBe(400)
    expect((await put({ ...price, model: 'm7', input: 9 })).status).toBe(200)
  })
})

describe('GET /prices', () => {
  it('pages, and filters by model and account', async () => {
    const { id: accountId } = await admin.createAccount()
    for (const model of ['a', 'b', 'c']) await put({ ...price, model })
    await put({ ...price, model: 'b', accountId })
    const page = await list('?limit=3')
    expect(page.data).toHaveLength(3)
    expect((await list(`?limit=3&cursor=${page.nextCursor}`)).data).toHaveLength(1)
    expect(await names('?model=B')).toEqual([
      ['b', null],
      ['b', accountId],
    ])
    expect(await names(`?accountId=${accountId}`)).toEqual([['b', accountId]])
  })
})

describe('DELETE /prices/:id', () => {
  it('removes a price, once', async () => {
    const { id } = (await put(price)).json
    expect((await admin.call('DELETE', `/prices/${id}`)).json).toMatchObject({ id, input: 4 })
    expect((await list()).data).toEqual([])
    expect(await audited()).toMatchObject({ action: 'price.removed', targetId: id, after: null })
    expect((await admin.call('DELETE', `/prices/${id}`)).status).toBe(404)
  })

  it('is done for the prices of an account that is deleted', async () => {
    const { id: accountId } = await admin.createAccount()
    await put({ ...price, accountId })
    await put(price)
    await admin.call('DELETE', `/accounts/claude-console/${accountId}`)
    expect(await names()).toEqual([['claude-opus-5', null]])
  })
})

describe('a table of prices', () => {
  it('that was exported can be imported, and then changes nothing', async () => {
    const { id: accountId } = await admin.createAccount()
    await put({ ...price, longContext: { aboveInputTokens: 200_000, input: 8, output: 30 } })
    await put({ ...price, accountId, cacheRead: 0.25, webSearch: 9 })
    const table = (await admin.call('GET', '/prices/export')).json
    expect(table.prices).toHaveLength(2)
    const before = await list()
    const imported = await admin.call('POST', '/prices/import', { ...table, mode: 'replace' })
    expect(imported.json).toEqual({ set: 0, unchanged: 2, removed: 0 })
    expect(await list()).toEqual(before)
  })

  it('is merged with the prices that there are, or replaces them', async () => {
    for (const model of ['a', 'b']) await put({ ...price, model })
    const send = (mode: string, models: string[], input: number) =>
      admin.call('POST', '/prices/import', {
        mode,
        version: 1,
        prices: models.map((model) => ({ ...price, model, input })),
      })
    expect((await send('merge', ['b', 'c'], 9)).json).toEqual({ set: 2, unchanged: 0, removed: 0 })
    expect(await names()).toHaveLength(3)
    expect((await send('replace', ['c'], 9)).json).toEqual({ set: 0, unchanged: 1, removed: 2 })
    expect(await names()).toEqual([['c', null]])
    expect(await audited()).toMatchObject({
      action: 'price.imported',
      before: { prices: 3 },
      after: { set: 0, unchanged: 1, removed: 2, prices: 1 },
    })
  })

  it('is refused as a whole where one of its prices is wrong', async () => {
    const prices = [
      { ...price, model: 'a' },
      { ...price, model: 'A' },
      { ...price, accountId: 'x' },
    ]
    const { status, json } = await admin.call('POST', '/prices/import', { version: 1, prices })
    expect(status).toBe(400)
    expect(json.error.issues.map(({ field }: { field: string }) => field)).toEqual([
      'prices.1.model',
      'prices.2.accountId',
    ])
    expect((await list()).data).toEqual([])
  })
})

describe('a price that an administrator has set', () => {
  const ask = async (gateway: TestGateway, key: string, model: string) => {
    const response = await gateway.app.request('/v1/messages', {
      method: 'POST',
      headers: { 'x-api-key': key, 'content-type': 'application/json' },
      body: JSON.stringify({ model, max_tokens: 10, messages: [] }),
    })
    await response.text()
    await gateway.deferred()
    return { status: response.status, id: response.headers.get('x-request-id') ?? '' }
  }
  const billOf = async (id: string) => {
    const { costUsd, bill } = (await admin.call('GET', `/requests/${id}`)).json
    return [costUsd, bill.parts[0].source]
  }
  const answer = (model: string) => {
    const usage = { input_tokens: 1_000, output_tokens: 0 }
    const content = [{ type: 'text', text: 'hi' }]
    const fields = { type: 'message', role: 'assistant', stop_reason: 'end_turn', content }
    upstream.respond(json(200, { ...fields, model, usage }))
  }

  it('counts from the next request on, in every process, and without it the public one does', async () => {
    answer('claude-opus-5')
    const { id: accountId } = await admin.createAccount({
      apiUrl: upstream.url,
      costMultiplier: 0.5,
    })
    const { key } = await admin.createKey()
    const other = createTestGateway({ engine: test.engine })
    const cost = async () => billOf((await ask(other, key, 'claude-opus-5')).id)
    expect(await cost()).toEqual([0.0025, 'list'])
    const general = (await put(price)).json
    expect(await cost()).toEqual([0.002, 'model'])
    const own = (await put({ ...price, accountId, input: 3 })).json
    expect(await cost()).toEqual([0.003, 'account'])
    await admin.call('DELETE', `/prices/${own.id}`)
    await admin.call('DELETE', `/prices/${general.id}`)
    expect(await cost()).toEqual([0.0025, 'list'])
    await other.close()
  })

  it('lets a key with a budget use a model that has no other price', async () => {
    answer('my-model')
    await admin.createAccount({ apiUrl: upstream.url })
    const { key } = await admin.createKey({ dailyCostLimit: 1 })
    expect((await ask(test, key, 'my-model')).status).toBe(403)
    await put({ ...price, model: 'my-model' })
    const { status, id } = await ask(test, key, 'my-model')
    expect(status).toBe(200)
    expect(await billOf(id)).toEqual([0.004, 'model'])
  })
})
