/** `leaveQueue`: a request gives up its turn among those that its key's concurrency limit holds back. */
import type { Redis } from '@upstash/redis'
import type { Keyspace } from '../keyspace.ts'
import { runScript } from '../run-script.ts'
import { defineScript } from '../script.ts'

const script = defineScript({
  keys: ['waiting'],
  args: { ticket: 'text' },
  replies: { left: {} },
  lua: `
redis.call('ZREM', keys.waiting, args.ticket)
return reply.left({})
`,
})

/** Takes a ticket out of the queue of its key. @throws the engine's error when it cannot answer. */
export async function leaveQueueScript(
  redis: Redis,
  keyspace: Keyspace,
  input: { keyId: string; ticket: string },
): Promise<void> {
  const { keyId, ticket } = input
  await runScript(redis, keyspace, script, {
    keys: { waiting: keyspace.waiting(keyId) },
    args: { ticket },
  })
}
