import { afterAll, beforeAll, describe } from 'vitest'
import { startRedisServer } from '../engines/redis-server.ts'
import { has } from '../support/lanes.ts'
import { describeJourneys } from './journeys.ts'
import { startNodeHost } from './node.ts'

describe.runIf(has('redis-server'))('with a redis-server', () => {
  let redis: Awaited<ReturnType<typeof startRedisServer>>
  let started = 0
  beforeAll(async () => {
    redis = await startRedisServer()
  })
  afterAll(() => redis?.stop())

  describeJourneys('on Node over Redis', (settings) =>
    // Each gateway has a namespace of its own; a restart keeps it.
    startNodeHost({ REDIS_URL: redis.url, KEY_PREFIX: `crs${started++}:`, ...settings }),
  )
})
