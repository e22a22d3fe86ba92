import { describeJourneys } from './journeys.ts'
import { startWorkerHost } from './worker.ts'

describeJourneys('in workerd over the REST bridge', (settings) => startWorkerHost(settings))
