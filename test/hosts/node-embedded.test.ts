import { describeJourneys } from './journeys.ts'
import { startNodeHost } from './node.ts'

describeJourneys('on Node over the embedded store', startNodeHost)
