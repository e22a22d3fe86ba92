/** The usage ledger on Workers: a cron trigger rolls it up, and another time zone is refused. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createEmbeddedEngine } from '../../src/node/engines/embedded/engine.ts'
import type { Engine } from '../../src/store/redis.ts'
import { createBench } from '../store/scripts/setup.ts'
import { has } from '../support/lanes.ts'
import { serveBridge } from '../support/rest-bridge.ts'
import { eventually } from './client.ts'
import { journeySettings } from './host.ts'
import { sharedSecrets, startWorker } from './worker.ts'

describe.runIf(has('workerd'))('the usage ledger on Workers', () => {
  let directory: string
  let engine: Engine
  let bridge: Awaited<ReturnType<typeof serveBridge>>
  let worker: Awaited<ReturnType<typeof startWorker>>

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'usage-'))
    let nowMs = Date.now() - 60 * 60 * 1_000
    engine = createEmbeddedEngine({ path: join(directory, 'store.sqlite'), now: () => nowMs })
    // An hour ago there was a request.
    const bench = createBench({ engine, nowMs: () => nowMs, advance: () => {} }, 'crs:')
    expect(await bench.settle('one')).toBe('charged')
    nowMs = Date.now()
    bridge = await serveBridge(engine)
  })
  afterEach(async () => {
    await worker.close()
    await bridge.close()
    await engine.close()
    rmSync(directory, { recursive: true, force: true })
  })

  const start = async (settings: Record<string, string> = {}) => {
    worker = await startWorker({
      ...journeySettings,
      ...sharedSecrets,
      UPSTASH_REDIS_REST_URL: bridge.url,
      UPSTASH_REDIS_REST_TOKEN: bridge.token,
      ...settings,
    })
  }

  it('is rolled up by the cron trigger', async () => {
    await start()
    const open = { body: ['ZCARD', 'crs:usage:open'] }
    expect(await engine.request(open)).toEqual({ result: 1 })
    await worker.runSchedule()
    expect(await engine.request(open)).toEqual({ result: 0 })
    const year = new Date(Date.now() - 60 * 60 * 1_000).getUTCFullYear()
    const months = { body: ['EXISTS', `crs:usage:months:${year}:all`] }
    expect(await engine.request(months)).toEqual({ result: 1 })
  })

  it('is kept in the zone of its first booking: with another one every request is refused', async () => {
    await start({ TIMEZONE: 'Asia/Tokyo' })
    const refused = await eventually(async () => {
      const answer = await fetch(`${worker.url}/api/v2/keys`)
      if (answer.status !== 500) throw new Error(`It answers ${answer.status}`)
      return answer
    })
    expect(await refused.json()).toEqual({
      error: {
        code: 'misconfigured',
        message: expect.stringMatching(
          /^TIMEZONE: is Asia\/Tokyo, .* kept in UTC; set TIMEZONE to UTC/,
        ),
      },
    })
  })
})
