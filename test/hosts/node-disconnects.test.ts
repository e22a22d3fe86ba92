import { describeDisconnects } from './disconnects.ts'
import { startNodeHost } from './node.ts'

describeDisconnects('clients that leave a Node host', startNodeHost)
