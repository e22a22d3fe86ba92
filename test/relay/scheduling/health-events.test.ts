/** An account that begins to cool down, and one that answers again, is told once, as an event. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { GatewayEvent } from '../../../src/domain/events.ts'
import { createTestAdmin } from '../../support/gateway.ts'
import { createVirtualGateway, type VirtualGateway } from '../../support/virtual-gateway.ts'
import type { VirtualTime } from '../../support/virtual-time.ts'
import {
  answer,
  broken,
  createVirtualUpstream,
  message,
  stream,
  type VirtualUpstream,
} from '../../support/virtual-upstream.ts'

const second = 1_000

let upstream: VirtualUpstream
let gateway: VirtualGateway
let time: VirtualTime
let accountId: string
let key: string
let events: GatewayEvent[]

beforeEach(async () => {
  events = []
  upstream = createVirtualUpstream(() => time)
  gateway = createVirtualGateway({
    startMs: Date.UTC(2026, 2, 2),
    fetch: upstream.fetch,
    observe: (event) => {
      if (event.type === 'account_cooling' || event.type === 'account_recovered') events.push(event)
    },
  })
  time = gateway.time
  const admin = createTestAdmin(gateway)
  ;({ id: accountId } = await admin.createAccount())
  ;({ key } = await admin.createKey())
})
afterEach(() => gateway.close())

/** Sends so many requests together, and reads their answers. */
const send = (count = 1, fields: object = {}) =>
  time.run(async () => {
    const one = async () => {
      const response = await gateway.app.request('/v1/messages', {
        method: 'POST',
        headers: { 'x-api-key': key, 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'claude-haiku-4-5', messages: [], ...fields }),
      })
      await response.text()
      return response.status
    }
    const statuses = await Promise.all(Array.from({ length: count }, one))
    await gateway.deferred()
    return statuses
  })

const scope = (family: string | null = null) => ({
  accountId,
  poolId: 'claude-console',
  family,
})

describe('an account', () => {
  it('that fails begins to cool down, and recovers with the next answer', async () => {
    upstream.respond(broken(), message())
    const startedMs = time.now()
    expect(await send()).toEqual([200])
    const cooling = { type: 'account_cooling', ...scope(), reason: 'connect_failed' }
    expect(events).toEqual([
      { ...cooling, untilMs: startedMs + second / 2 },
      { type: 'account_recovered', ...scope() },
    ])
    expect(gateway.logged('account_cooling')).toMatchObject([{ level: 'info', accountId }])
    expect(gateway.logged('account_recovered')).toMatchObject([{ level: 'info', accountId }])
  })

  it('that is overloaded cools down for one family of models, as the only one for half a second', async () => {
    upstream.respond(answer(529))
    const startedMs = time.now()
    expect(await send()).toEqual([529])
    const cooling = { type: 'account_cooling', ...scope('haiku'), reason: 'overloaded' }
    expect(events).toEqual([{ ...cooling, untilMs: startedMs + second / 2 }])
  })

  it('whose credential is refused is told as an error in the log', async () => {
    upstream.respond(answer(401))
    expect(await send()).toEqual([503])
    const told = { level: 'error', accountId, reason: 'account_refused' }
    expect(gateway.logged('account_cooling')).toMatchObject([told])
  })

  it('whose requests fail together is told once', async () => {
    upstream.respond(broken())
    await send(5)
    expect(events).toHaveLength(1)
  })

  it('recovers as soon as its stream has begun to answer, and that is told once', async () => {
    upstream.respond(broken(), stream(second, second, 100 * second, second))
    const startedMs = time.now()
    expect(await send(1, { stream: true })).toEqual([200])
    expect(events.slice(1)).toEqual([{ type: 'account_recovered', ...scope() }])
    const [{ time: told } = {}] = gateway.logged('account_recovered')
    expect(Date.parse(String(told)) - startedMs).toBeLessThan(10 * second)
  })
})
