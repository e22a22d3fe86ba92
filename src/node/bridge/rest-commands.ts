/** Commands as the Upstash engine sends them, turned into what Redis and the embedded store take. */
import { createHash } from 'node:crypto'
import { allowKeyLocking } from '../../store/script.ts'

/** A command for the engine, or the error that is answered instead. */
export type Prepared = { words: string[] } | { error: string }

const MAX_DIGESTS = 1_000

/**
 * All callers share one connection, so commands that change its state, subscribe or block on it are
 * refused. So are those for operating the server, because the token is for data only.
 */
const refused = new Set(
  `ACL AUTH BLMOVE BLMPOP BLPOP BRPOP BRPOPLPUSH BZMPOP BZPOPMAX BZPOPMIN CLIENT CONFIG DEBUG
  DISCARD EXEC FAILOVER HELLO MIGRATE MODULE MONITOR MULTI PSUBSCRIBE PSYNC PUNSUBSCRIBE QUIT
  READONLY READWRITE REPLICAOF RESET SELECT SHUTDOWN SLAVEOF SSUBSCRIBE SUBSCRIBE SUNSUBSCRIBE SYNC
  UNSUBSCRIBE UNWATCH WAIT WAITAOF WATCH`.split(/\s+/),
)

const sha1 = (text: string) => createHash('sha1').update(text).digest('hex')

/**
 * Makes a function that prepares commands for an engine. Redis refuses the line that allows key
 * locking, so scripts are sent without it; the digests of those scripts are remembered, so that
 * EVALSHA finds them.
 */
export function createCommandFilter(): (words: string[]) => Prepared {
  const plainDigests = new Map<string, string>()

  function strip(lua: string): string {
    if (!lua.startsWith(allowKeyLocking)) return lua
    const plain = lua.slice(allowKeyLocking.length)
    // Clients send a script again when it is missing, so the oldest may go.
    const [oldest] = plainDigests.size < MAX_DIGESTS ? [] : plainDigests.keys()
    if (oldest !== undefined) plainDigests.delete(oldest)
    plainDigests.set(sha1(lua), sha1(plain))
    return plain
  }

  const toPlain = (digest: string) => plainDigests.get(digest.toLowerCase()) ?? digest

  return (words) => {
    const [name = '', first, ...rest] = words
    const command = name.toUpperCase()
    const isBlocking =
      /^XREAD(GROUP)?$/.test(command) && words.some((word) => word.toUpperCase() === 'BLOCK')
    if (isBlocking || refused.has(command)) {
      return { error: `ERR Command is not available: '${command}'` }
    }
    if (first === undefined) return { words }
    if (command === 'EVAL') return { words: [name, strip(first), ...rest] }
    if (command === 'EVALSHA') return { words: [name, toPlain(first), ...rest] }
    return { words }
  }
}
