/** What clients ask of a gateway beside the relay: whether it is there, and what it does not offer. */
import type { Env, Hono } from 'hono'
import { GatewayError } from '../errors.ts'

/** APIs of the vendors that are not relayed, and why. */
const notRelayed = [
  [
    '/messages/batches',
    'Batches are not relayed: their usage would only show long after they were sent',
  ],
  ['/files', 'Files are not relayed: send their content in the request'],
] as const

/** Mounts them; they need no gateway key, and say nothing of one. */
export function mountProbes<E extends Env>(app: Hono<E>): void {
  // Claude Code checks without a credential that the address answers.
  for (const path of ['/', '/api/hello']) {
    app.get(path, (c) =>
      c.text('Claude Relay Service. The administration is described at /docs.\n'),
    )
  }
  // It sends its telemetry to its base URL as well; an error would be logged at each start.
  app.post('/api/event_logging/batch', (c) => c.json({}))
  // Browsers ask for it at every page; an error would stand in the log each time.
  app.get('/favicon.ico', (c) => c.body(null, 204, { 'cache-control': 'max-age=86400' }))
  for (const base of ['/v1', '/api/v1', '/openai/v1']) {
    for (const [path, message] of notRelayed) {
      for (const each of [base + path, `${base + path}/*`]) {
        app.all(each, () => {
          throw new GatewayError('not_found', message)
        })
      }
    }
  }
}
