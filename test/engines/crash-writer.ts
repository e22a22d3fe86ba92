/** A process that writes two keys in step until it is killed, and reports every confirmed step. */
import { createEmbeddedEngine } from '../../src/node/engines/embedded/engine.ts'

const [, , path = ''] = process.argv
const engine = createEmbeddedEngine({ path })

const SCRIPT = `
  local n = redis.call('HINCRBY', 'left', 'count', 1)
  redis.call('HSET', 'right', 'count', n)
  redis.call('ZADD', 'log', n, n)
  return n`

while (true) {
  const script = (await engine.request({ body: ['EVAL', SCRIPT, 0] })) as { result?: number }
  process.stdout.write(`${script.result}\n`)
  const body = [
    ['HINCRBY', 'one', 'count', '1'],
    ['HINCRBY', 'two', 'count', '1'],
  ]
  await engine.request({ path: ['multi-exec'], body })
}
