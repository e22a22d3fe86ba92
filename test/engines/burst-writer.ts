/** A process with many writers at once, until it is killed; it reports every step that was confirmed. */
import { createEmbeddedEngine } from '../../src/node/engines/embedded/engine.ts'

const [, , path = '', writers = ''] = process.argv
const engine = createEmbeddedEngine({ path })

const SCRIPT = `
  local n = redis.call('HINCRBY', KEYS[1], 'count', 1)
  redis.call('SET', KEYS[2], n, 'PX', 3600000)
  redis.call('ZADD', KEYS[3], n, KEYS[1] .. '|' .. n)
  redis.call('ZREM', KEYS[3], KEYS[1] .. '|' .. (n - 1))
  return n`

async function write(writer: number): Promise<void> {
  const keys = [`hash-${writer}`, `string-${writer}`, 'shared']
  while (true) {
    const reply = (await engine.request({ body: ['EVAL', SCRIPT, 3, ...keys] })) as {
      result?: number
    }
    process.stdout.write(`${writer} ${reply.result}\n`)
  }
}

await Promise.all(Array.from({ length: Number(writers) }, (_, writer) => write(writer)))
