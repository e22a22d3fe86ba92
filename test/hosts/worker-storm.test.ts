/** The storm in workerd, where connections fail in ways of their own. */
import { expect, it } from 'vitest'
import { createRedis, type Engine } from '../../src/store/redis.ts'
import { checkStats } from '../support/storm/check-books.ts'
import { connectAdmin, connectClients } from '../support/storm/over-http.ts'
import { openStage, runStorm } from '../support/storm/storm.ts'
import { accountNames, startStormUpstreams } from '../support/storm/upstreams.ts'
import { judgeStorm, missingKinds } from '../support/storm/verdict.ts'
import { eventually } from './client.ts'
import { startWorkerHost } from './worker.ts'

const seed = 4

it('in workerd clients see whole answers while two of three accounts fail, booked to the token', async () => {
  const upstreams = await startStormUpstreams(seed, 50)
  let store: Engine | undefined
  const settings = { UPSTREAM_JSON_TIMEOUT_SECONDS: '1', STREAM_KEEPALIVE_SECONDS: '1' }
  const host = await startWorkerHost(settings, (engine) => {
    store = engine
    return engine
  })
  const clients = connectClients(host.url, 30)
  const admin = await connectAdmin(host.url, host.adminPassword)
  const stage = await openStage(
    { seed, slackMs: 4_000 },
    { ...clients, admin, log: host.log },
    upstreams,
  )
  const phases = await runStorm(stage, {
    turns: [accountNames[1]],
    requests: 240,
    concurrency: 30,
    resetEveryMs: 20,
    waits: 'also',
    calm: { requests: 40, perSecond: 0, waits: 'never' },
  })
  const misbooked = await eventually(async () => {
    const found = await checkStats(stage, phases)
    expect(found).toEqual([])
    return found
  })
  if (!store) throw new Error('The store was not opened')
  const { violations, tries } = await judgeStorm(stage, phases, createRedis(store))
  await clients.close()
  await host.close()
  await upstreams.close()
  expect([...violations, ...misbooked].slice(0, 10)).toEqual([])
  expect(missingKinds(tries)).toEqual([])
}, 60_000)
