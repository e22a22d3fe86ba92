/** Commands as Upstash takes them, turned into what Redis and the embedded store take. */
import { createHash } from 'node:crypto'
import { allowKeyLocking } from '../../store/script.ts'

/** A command for the engine, or the error that it gets instead. */
export type Prepared = { words: string[]; digest?: string } | { error: string }

const MAX_DIGESTS = 1_000

/**
 * All callers share one connection: nobody may change its state, listen on it or hold it up. Nor may
 * a token for data become one for the server.
 */
const ofConnection = new Set(
  `ACL AUTH BLMOVE BLMPOP BLPOP BRPOP BRPOPLPUSH BZMPOP BZPOPMAX BZPOPMIN CLIENT CONFIG DEBUG DISCARD EXEC FAILOVER HELLO
  MIGRATE MODULE MONITOR MULTI PSUBSCRIBE PSYNC PUNSUBSCRIBE QUIT READONLY READWRITE REPLICAOF RESET
  SELECT SHUTDOWN SLAVEOF SSUBSCRIBE
  SUBSCRIBE SUNSUBSCRIBE SYNC UNSUBSCRIBE UNWATCH WAIT WAITAOF WATCH`.split(/\s+/),
)

const sha1 = (text: string) => createHash('sha1').update(text).digest('hex')

/**
 * Prepares commands for an engine. Redis refuses the line that allows key locking, so scripts go
 * without it; digests of scripts that had it are remembered, so that EVALSHA finds them.
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

  function script(words: string[]): Prepared {
    const [name = '', subcommand = '', ...args] = words
    switch (subcommand.toUpperCase()) {
      case 'LOAD': {
        const [lua = ''] = args
        const loaded = [name, subcommand, ...args.map(strip)]
        // The client goes on to use the digest of the text that it sent.
        return lua.startsWith(allowKeyLocking)
          ? { words: loaded, digest: sha1(lua) }
          : { words: loaded }
      }
      case 'EXISTS':
        return { words: [name, subcommand, ...args.map(toPlain)] }
      default:
        return { words }
    }
  }

  return (words) => {
    const [name = '', first, ...rest] = words
    const command = name.toUpperCase()
    const isBlocking =
      /^XREAD(GROUP)?$/.test(command) && words.some((word) => word.toUpperCase() === 'BLOCK')
    if (isBlocking || ofConnection.has(command))
      return { error: `ERR Command is not available: '${command}'` }
    if (command === 'SCRIPT') return script(words)
    if (first === undefined) return { words }
    if (/^EVAL(_RO)?$/.test(command)) return { words: [name, strip(first), ...rest] }
    if (/^EVALSHA(_RO)?$/.test(command)) return { words: [name, toPlain(first), ...rest] }
    return { words }
  }
}
