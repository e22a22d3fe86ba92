/** The health record against a model: whose failures count, how long they last, who may try again. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { runs } from '../../support/property.ts'
import { accounts, describeOnStores, failed, poolId } from './setup.ts'

const baseMs = 1_000
const maxMs = 5_000
const probeMs = 3_000

const step = fc.record({
  kind: fc.constantFrom('start', 'start', 'success', 'failure', 'vendor', 'reassign', 'quiet'),
  which: fc.nat({ max: 9 }),
  waitMs: fc.constantFrom(0, 0, 1, 400, 1_000, 2_000, 5_000),
})
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never

interface Health {
  untilMs: number
  failures: number
  sinceMs: number
  isProbing: boolean
}

let lives = 0

describeOnStores('the health of an account', (bench) => {
  it('follows its model', async () => {
    const life = fc.asyncProperty(fc.noBias(fc.array(step, { maxLength: 40, size: 'max' })), live)
    await fc.assert(life, runs(60))
  })

  async function live(steps: Step[]): Promise<void> {
    const { admit, reassign, settle, advance, nowMs, health } = bench()
    const candidates = accounts(`account-${++lives}`)
    const accountId = candidates[0]?.accountId ?? ''
    const running: { ledgerId: string; startedMs: number; claimMs: number }[] = []
    let record: Health | undefined
    let endedMs = -1

    for (const [index, { kind, which, waitMs }] of steps.entries()) {
      advance(waitMs)
      const now = nowMs()
      if (kind === 'start') {
        const ledgerId = `${accountId}-${index}`
        const reply = await admit(ledgerId, { candidates, probeMs, leaseMs: 1_000_000 })
        const isCooling = record !== undefined && record.untilMs > now
        expect(reply.kind).toBe(isCooling ? 'none' : 'ok')
        if (reply.kind === 'none') expect(reply.soonestMs).toBe(record?.untilMs)
        const claimMs = record && !isCooling ? now + probeMs : 0
        if (reply.kind === 'ok') running.push({ ledgerId, startedMs: now, claimMs })
        if (record && !isCooling) record = { ...record, untilMs: claimMs, isProbing: true }
      } else {
        const [request] = running.splice(which % Math.max(running.length, 1), 1)
        if (!request) continue
        const { ledgerId, startedMs, claimMs } = request
        const untilMs = kind === 'vendor' ? now + 777 : 0
        const failure = failed({ untilMs, cooldownMs: baseMs, maxCooldownMs: maxMs })
        const isNews = startedMs > (record?.sinceMs ?? endedMs)
        if (kind === 'success' && isNews && record) {
          record = undefined
          endedMs = now
        }
        if (kind !== 'success' && kind !== 'quiet' && isNews) {
          const failures: number = (record?.failures ?? 0) + 1
          const grownMs = Math.min(baseMs * 2 ** (failures - 1), maxMs)
          record = { untilMs: untilMs || now + grownMs, failures, sinceMs: now, isProbing: false }
        }
        if (record?.isProbing && record.untilMs === claimMs) {
          record = { ...record, untilMs: now, isProbing: false }
        }
        if (kind === 'reassign') {
          const moved = await reassign(ledgerId, { failure, candidates: [] })
          expect(moved.kind).toBe('none')
        }
        const said = kind === 'success' ? kind : kind === 'quiet' ? undefined : failure
        await settle(ledgerId, { accountId, verdict: said })
      }
      const expected =
        record &&
        `${record.untilMs}|${record.failures}${record.isProbing ? 'p' : ''}|${record.sinceMs}|overloaded`
      expect((await health())[accountId]).toBe(expected)
    }
  }

  it('counts fifty attempts that fail together as one failure', async () => {
    const { admit, settle, advance, health, nowMs } = bench()
    const ids = Array.from({ length: 50 }, (_, i) => `one-${i}`)
    await Promise.all(ids.map((ledgerId) => admit(ledgerId)))
    advance(100)
    const sinceMs = nowMs()
    for (const ledgerId of ids) {
      await settle(ledgerId, { verdict: failed() })
      advance(1)
    }
    expect(await health()).toEqual({ a: `${sinceMs + 1_000}|1|${sinceMs}|overloaded` })
  })

  it('is not cleared by the success of an attempt that began before the failure', async () => {
    const { admit, settle, advance, health } = bench()
    await admit('old')
    await admit('failing')
    advance(10)
    await settle('failing', { verdict: failed() })
    const record = await health()
    await settle('old', { verdict: 'success' })
    expect(await health()).toEqual(record)
  })

  it('is not cleared by the success of an attempt that began in the millisecond of the failure', async () => {
    const { admit, settle, health } = bench()
    await admit('other')
    await admit('failing')
    await settle('failing', { verdict: failed() })
    await settle('other', { verdict: 'success' })
    expect(await health()).toHaveProperty('a')
  })

  it('does not begin again with the failure of an attempt that began before the recovery', async () => {
    const { admit, settle, recover, advance, health } = bench()
    for (const name of ['failing', 'old', 'older']) await admit(name)
    advance(10)
    await settle('failing', { verdict: failed() })
    advance(1_000)
    await admit('probe')
    advance(10)
    await recover('probe')
    advance(10)
    expect(await settle('old', { verdict: failed() })).toBe('charged')
    expect(await health()).toEqual({})
    await admit('new')
    advance(10)
    await settle('new', { verdict: failed() })
    expect(await health()).toHaveProperty('a')
  })

  it.each([`${'9'.repeat(400)}|1|1|overloaded`, 'ended|', '', 'ended|x|1'])(
    'is good where its record is damaged: %s',
    async (damaged) => {
      const { admit, settle, redis, keyspace, health, advance } = bench()
      await redis.hset(keyspace.health(poolId), { a: damaged })
      expect(await admit('one', { candidates: accounts('a', 'b') })).toMatchObject({
        kind: 'ok',
        isProbe: false,
      })
      advance(10)
      await settle('one', { verdict: failed() })
      expect(await health()).toHaveProperty('a')
    },
  )

  it('doubles the cooldown with each failed probe, up to its maximum', async () => {
    const { admit, settle, advance, health, nowMs } = bench()
    const cooldowns: number[] = []
    for (let i = 0; i < 5; i++) {
      await admit(`probe-${i}`)
      advance(1)
      await settle(`probe-${i}`, { verdict: failed() })
      const untilMs = Number((await health()).a?.split('|')[0])
      cooldowns.push(untilMs - nowMs())
      advance(untilMs - nowMs())
    }
    expect(cooldowns).toEqual([1_000, 2_000, 4_000, 5_000, 5_000])
  })
})
