/** The table of limits: each row reaches the schema, the scripts, the refusal and what a key holder sees. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ApiKeySettings } from '../../src/catalog/api-key.ts'
import { keyLimits } from '../../src/domain/limits.ts'
import { createTestAdmin, createTestGateway, read, type TestGateway } from '../support/gateway.ts'
import { anthropicJson, hang, startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let test: TestGateway

beforeEach(async () => {
  upstream = await startUpstream()
  test = createTestGateway({ config: { CONCURRENCY_WAIT_SECONDS: '0' } })
})
afterEach(async () => {
  await test.close()
  await upstream.close()
})

const send = async (key: string, signal?: AbortSignal) =>
  test.app.request('/v1/messages', {
    method: 'POST',
    headers: { 'x-api-key': key, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'claude-opus-4-6', max_tokens: 10, messages: [] }),
    ...(signal && { signal }),
  })

describe.each(keyLimits.map((limit) => [limit.field, limit] as const))('%s', (field, limit) => {
  const smallest = limit.unit === 'usd' ? 0.000_001 : 1
  const window = limit.period === 'window' ? { rateLimitWindow: 60 } : {}

  it('is a field of a key, 0 by default, with its own bounds', () => {
    const parse = (value: number) => ApiKeySettings.safeParse({ name: 'k', [field]: value })
    expect(ApiKeySettings.parse({ name: 'k' })[field]).toBe(0)
    expect([parse(limit.max).success, parse(limit.max + 1).success]).toEqual([true, false])
    expect([parse(-1).success, parse(0.5).success]).toEqual([false, limit.unit === 'usd'])
  })

  it('stops a request once it is reached, says so, and shows it to the key holder', async () => {
    const admin = createTestAdmin(test)
    await admin.createAccount({ apiUrl: upstream.url })
    const { key } = await admin.createKey({ [field]: smallest, ...window })
    const over = new AbortController()
    upstream.respond(limit.period === 'in_flight' ? hang() : anthropicJson())
    const first = send(key, over.signal).then(
      (response) => response.text(),
      () => 'aborted',
    )
    if (limit.period === 'in_flight') await expect.poll(() => upstream.requests.length).toBe(1)
    else await first
    await test.deferred()
    const refusal = await read(await send(key))
    expect(refusal.status).toBe(429)
    expect(test.logged('denied')).toMatchObject([{ cause: limit.cause, limit: expect.any(Number) }])
    const wanted = limit.unit === 'usd' ? limit.name : 'request'
    expect(refusal.json.error.message).toContain(wanted)
    const me = await test.app.request('/api/v2/me', { headers: { 'x-api-key': key } })
    const { limits } = (await read(me)).json
    expect(limits).toMatchObject([{ name: field, unit: limit.unit, limit: smallest, left: 0 }])
    over.abort()
    await first
  })
})
