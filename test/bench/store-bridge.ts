/** A process of its own: the REST bridge over an embedded store in its working directory. */
import type { Server } from 'node:http'
import { createAdaptorServer } from '@hono/node-server'
import { createRestBridge } from '../../src/node/bridge/rest-bridge.ts'
import { createEmbeddedEngine } from '../../src/node/engines/embedded/engine.ts'
import { listen } from '../../src/node/server.ts'

const [, , token = ''] = process.argv
const bridge = createRestBridge({ engine: createEmbeddedEngine({ path: 'store.sqlite' }), token })
const server = createAdaptorServer({ fetch: bridge.fetch }) as Server
const url = await listen(server, { host: '127.0.0.1', port: 0, settings: 'none' })
process.stdout.write(`"url":"${url}"\n`)
