/** The Node host rolls up the usage ledger when it starts, and soon after each hour has ended. */
import { expect, it } from 'vitest'
import { startRollUps } from '../../src/node/roll-ups.ts'
import { createBench } from '../store/scripts/setup.ts'
import { createVirtualGateway } from '../support/virtual-gateway.ts'

const hourMs = 60 * 60 * 1_000

it('rolls up what it finds at the start, and each hour within a minute of its end', async () => {
  const startMs = Date.UTC(2026, 10, 22, 10, 20)
  const fetch = () => Promise.reject(new Error('There is no upstream'))
  const { time, gateway, engine, close } = createVirtualGateway({ startMs, fetch })
  const { redis, keyspace, settle } = createBench(
    { engine, nowMs: time.now, advance: () => {} },
    'crs:',
  )
  const openHours = () => redis.zcard(keyspace.usage.openHours)
  await settle('one')
  await time.pass(hourMs)
  expect(await openHours()).toBe(1)
  const stop = startRollUps(gateway)
  await time.pass(1)
  expect(await openHours()).toBe(0)
  for (const ledgerId of ['two', 'three']) {
    await settle(ledgerId)
    // The hour ends twenty minutes before this one.
    await time.pass(30 * 60_000)
    expect(await openHours()).toBe(1)
    await time.pass(11 * 60_000)
    expect(await openHours()).toBe(0)
    await time.pass(19 * 60_000)
  }
  stop()
  await settle('four')
  await time.pass(2 * hourMs)
  expect(await openHours()).toBe(1)
  await close()
})
