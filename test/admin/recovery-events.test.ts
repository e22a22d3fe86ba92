/** Observers are told when an administrator ends the cooldown of an account. */
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { GatewayEvent } from '../../src/domain/events.ts'
import { createTestAdmin, createTestGateway, read, type TestGateway } from '../support/gateway.ts'
import { json, startUpstream, type Upstream } from '../support/upstream.ts'

const unavailable = json(503, { type: 'error', error: { type: 'api_error', message: 'no' } })

let upstream: Upstream
let test: TestGateway
let told: GatewayEvent[]
let first: string
let key: string

beforeEach(async () => {
  upstream = await startUpstream()
  told = []
  test = createTestGateway({
    observe: (event) => {
      if (event.type === 'account_cooling' || event.type === 'account_recovered') told.push(event)
    },
  })
  const admin = createTestAdmin(test)
  for (const [i, name] of ['one', 'two'].entries()) {
    const fields = { apiUrl: upstream.url, name, apiKey: `sk-ant-${name}`, priority: i + 1 }
    const { id } = await admin.createAccount(fields)
    if (i === 0) first = id
  }
  ;({ key } = await admin.createKey())
})
afterEach(async () => {
  await test.close()
  await upstream.close()
})

async function ask(fields: object = {}): Promise<number> {
  const { status } = await read(
    await test.app.request('/v1/messages', {
      method: 'POST',
      headers: { 'x-api-key': key, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'claude-sonnet-4-6', messages: [], ...fields }),
    }),
  )
  await test.deferred()
  return status
}

it('an administrator who ends a cooldown or replaces the credential makes the account recover, which is told once', async () => {
  const admin = createTestAdmin(test)
  const recovered = {
    type: 'account_recovered',
    accountId: first,
    poolId: 'claude-console',
    family: null,
  }
  for (const repair of [
    () => admin.call('POST', `/accounts/claude-console/${first}/reset-rate-limit`),
    () => admin.call('PUT', `/accounts/claude-console/${first}`, { apiKey: 'sk-ant-one' }),
  ]) {
    told.length = 0
    // A failure counts when its attempt began later than the recovery, by whole milliseconds.
    await delay(2)
    upstream.behave('sk-ant-one', unavailable)
    await ask()
    expect((await repair()).status).toBe(200)
    expect(told).toMatchObject([{ type: 'account_cooling' }, recovered])
    told.length = 0
    expect((await repair()).status).toBe(200)
    expect(told).toEqual([])
  }
})
