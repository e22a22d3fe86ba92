/** The queue of a key: requests over its concurrency limit wait for their turn, in the order of arrival. */
import { expect, it } from 'vitest'
import { writeAccountScript } from '../../../src/store/scripts/catalog.ts'
import { accounts, describeOnStores } from './setup.ts'

const ticketMs = 3_000
const arriving = { ticket: '', ticketMs }

describeOnStores('the queue of a key', (bench) => {
  /** Asks for admission under a limit of 1 unless told otherwise. */
  const asker = () => {
    const { admit } = bench()
    return (ledgerId: string, ticket = '', given: Parameters<typeof admit>[1] = {}) =>
      admit(ledgerId, {
        ...given,
        limits: { concurrencyLimit: 1, ...given.limits },
        queue: { ticket, ticketMs },
      })
  }
  /** The same for a request that must be told to wait; resolves to its ticket. */
  const waiter = () => {
    const ask = asker()
    return async (ledgerId: string, ticket = '') => {
      const reply = await ask(ledgerId, ticket)
      if (reply.kind !== 'wait') throw new Error(`${ledgerId} does not wait: ${reply.kind}`)
      return reply.ticket
    }
  }
  const ok = { kind: 'ok' }

  it('gives a ticket to a request over the limit, and admits it when the one before has ended', async () => {
    const { settle, advance, redis, keyspace } = bench()
    const ask = asker()
    expect(await ask('one')).toMatchObject(ok)
    const waiting = await ask('two')
    expect(waiting).toMatchObject({ kind: 'wait', limit: 1, used: 1 })
    const { ticket } = waiting as { ticket: string }
    advance(100)
    expect(await ask('two', ticket)).toEqual({ ...waiting, ticket })
    await settle('one')
    expect(await ask('two', ticket)).toMatchObject(ok)
    expect(await redis.zcard(keyspace.waiting('key'))).toBe(0)
  })

  it('admits in the order of arrival, whoever asks first', async () => {
    const { settle } = bench()
    const [ask, wait] = [asker(), waiter()]
    await ask('one')
    const two = await wait('two')
    const three = await wait('three')
    await settle('one')
    expect(await wait('three', three)).toBe(three)
    await wait('arrives now')
    expect(await ask('two', two)).toMatchObject(ok)
    await settle('two')
    expect(await ask('three', three)).toMatchObject(ok)
  })

  it('admits as many at once as there are slots, arrivals among them', async () => {
    const { settle } = bench()
    const three = { limits: { concurrencyLimit: 3 } }
    const [ask, wait] = [asker(), waiter()]
    for (const id of ['one', 'two', 'three']) await ask(id, '', three)
    const four = await wait('four')
    await settle('one')
    await settle('two')
    // Of two free slots one belongs to the request that waits; the other is there for an arrival.
    expect(await ask('five', '', three)).toMatchObject(ok)
    expect(await ask('six', '', three)).toMatchObject({ kind: 'wait' })
    expect(await ask('four', four, three)).toMatchObject(ok)
  })

  it('forgets a ticket that is not shown again, but gives it its place when it is', async () => {
    const { settle, advance } = bench()
    const [ask, wait] = [asker(), waiter()]
    await ask('one')
    const lost = await wait('lost')
    advance(ticketMs - 1)
    const next = await wait('next')
    await settle('one')
    expect(await wait('next', next)).toBe(next)
    advance(1)
    expect(await ask('next', next)).toMatchObject(ok)
    const last = await wait('last')
    expect(await wait('lost', lost)).toBe(lost)
    await settle('next')
    expect(await wait('last', last)).toBe(last)
    expect(await ask('lost', lost)).toMatchObject(ok)
  })

  it('does not outlive its tickets', async () => {
    const { redis, keyspace } = bench()
    await asker()('one')
    await waiter()('two')
    expect(await redis.pttl(keyspace.waiting('key'))).toBeGreaterThan(0)
  })

  it('passes over a request that has left', async () => {
    const { settle, leaveQueue } = bench()
    const [ask, wait] = [asker(), waiter()]
    await ask('one')
    const two = await wait('two')
    const three = await wait('three')
    await settle('one')
    await leaveQueue(two)
    expect(await ask('three', three)).toMatchObject(ok)
  })

  it('lets nobody wait behind a request that has its turn but finds no account', async () => {
    const { settle, advance } = bench()
    const [ask, wait] = [asker(), waiter()]
    await ask('one')
    const two = await wait('two')
    const three = await wait('three')
    await settle('one')
    const busy = accounts({ accountId: 'b', maxConcurrency: 1 })
    await bench().admit('of another key', { keyId: 'other', candidates: busy })
    expect(await ask('two', two, { candidates: busy })).toMatchObject({ kind: 'none' })
    expect(await ask('three', three)).toMatchObject(ok)
    // It keeps its place before whoever arrived later.
    advance(1)
    const four = await wait('four')
    expect(await wait('two', two)).toBe(two)
    await settle('three')
    expect(await wait('four', four)).toBe(four)
    expect(await ask('two', two)).toMatchObject(ok)
  })

  it('denies at once what the window or a budget refuses anyway', async () => {
    const { settle } = bench()
    const ask = asker()
    const window = { windowMs: 60_000, limits: { rateLimitRequests: 1 } }
    expect(await ask('one', '', window)).toMatchObject(ok)
    expect(await ask('two', '', window)).toMatchObject({ kind: 'deny', cause: 'window' })
    await settle('one', { costNanoUsd: 500 })
    await ask('three')
    const spent = { limits: { totalCostLimit: 500 } }
    expect(await ask('four', '', spent)).toMatchObject({ kind: 'deny', cause: 'total_cost' })
  })

  it('counts window and budget when a request is admitted, not while it waits', async () => {
    const { settle, counters } = bench()
    const ask = asker()
    const given = { windowMs: 60_000, limits: { rateLimitRequests: 9, totalCostLimit: 150 } }
    await ask('one', '', given)
    const waiting = await ask('two', '', given)
    // What is left of the budget is only reserved: it may be there when the turn has come.
    expect(waiting).toMatchObject({ kind: 'wait' })
    expect(await counters()).toMatchObject({ windowRequests: '1', heldNanoUsd: '100' })
    await settle('one', { costNanoUsd: 40 })
    const { ticket } = waiting as { ticket: string }
    expect(await ask('two', ticket, given)).toMatchObject(ok)
    expect(await counters()).toMatchObject({ windowRequests: '2', heldNanoUsd: '100' })
  })

  it('denies a request that does not wait, and one more than a hundred', async () => {
    const { admit } = bench()
    const limits = { concurrencyLimit: 1 }
    const denied = { kind: 'deny', cause: 'concurrency', limit: 1, used: 1 }
    await admit('one', { limits })
    expect(await admit('two', { limits })).toMatchObject(denied)
    const wait = waiter()
    const tickets: string[] = []
    for (let n = 0; n < 100; n++) tickets.push(await wait(`waits ${n}`))
    expect(await asker()('one too many')).toMatchObject(denied)
    expect(await wait('waits 99', tickets[99])).toBe(tickets[99])
    expect([...tickets].sort()).toEqual(tickets)
  })

  it('does not let a request that does not wait overtake those that do', async () => {
    const { admit, settle } = bench()
    await asker()('one')
    await waiter()('two')
    await settle('one')
    expect(await admit('three', { limits: { concurrencyLimit: 1 } })).toMatchObject({
      cause: 'concurrency',
      used: 0,
    })
  })

  it('admits who waits when the limit is raised or lifted, and takes the ticket back', async () => {
    const { redis, keyspace } = bench()
    const [ask, wait] = [asker(), waiter()]
    await ask('one')
    const two = await wait('two')
    const three = await wait('three')
    expect(await ask('two', two, { limits: { concurrencyLimit: 2 } })).toMatchObject(ok)
    expect(await ask('three', three, { limits: { concurrencyLimit: 0 } })).toMatchObject(ok)
    expect(await redis.zcard(keyspace.waiting('key'))).toBe(0)
  })

  it('leaves the queue alone while the catalog of the request is old', async () => {
    const { redis, keyspace } = bench()
    const [ask, wait] = [asker(), waiter()]
    await ask('one')
    const two = await wait('two')
    await writeAccountScript(redis, keyspace, { accountId: 'n', expectedRevision: 0, record: '{}' })
    expect(await ask('two', two)).toMatchObject({ kind: 'stale' })
    expect(await redis.zcard(keyspace.waiting('key'))).toBe(1)
  })

  it('does not count a lease that has expired', async () => {
    const { advance } = bench()
    const [ask, wait] = [asker(), waiter()]
    await ask('one')
    advance(9_000)
    const two = await wait('two')
    advance(1_000)
    expect(await ask('two', two)).toMatchObject(ok)
  })

  it('answers a request of a key without tickets in its queue as it does any other', async () => {
    expect(await bench().admit('one', { queue: arriving })).toMatchObject(ok)
  })
})
