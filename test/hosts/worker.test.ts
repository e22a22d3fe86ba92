import { describe } from 'vitest'
import { has } from '../support/lanes.ts'
import { describeJourneys } from './journeys.ts'
import { startWorkerHost } from './worker.ts'

describe.runIf(has('workerd'))('the Workers host', () => {
  describeJourneys('in workerd over the REST bridge', (settings) => startWorkerHost(settings))
})
