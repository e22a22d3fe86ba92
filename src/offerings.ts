/** Offerings: which operations an account has, as its answers tell. Each process finds out by itself. */

/** What was learnt is believed for so long: an account may be given another address, or a newer program. */
const believedMs = 10 * 60_000
const maxKnown = 10_000

export interface Offerings {
  /** Notes that an account has answered an operation, or does not have it. */
  learn(accountId: string, operation: string, has: boolean): void
  /** Whether the account has answered the operation lately, or does not have it; undefined: not known. */
  has(accountId: string, operation: string): boolean | undefined
  /** What the account lacks, and until when that is believed, by the monotonic clock. */
  lackedBy(accountId: string): { operation: string; untilMonotonicMs: number }[]
  /** Changes with what accounts lack. */
  readonly version: number
}

/** Knows nothing at first. */
export function createOfferings(monotonicMs: () => number): Offerings {
  const known = new Map<string, Map<string, { has: boolean; untilMs: number }>>()
  let version = 0
  let lacks = 0
  const read = (accountId: string, operation: string) => {
    const found = known.get(accountId)?.get(operation)
    if (!found || found.untilMs > monotonicMs()) return found
    forget(accountId, operation)
    return undefined
  }
  const forget = (accountId: string, operation: string) => {
    const operations = known.get(accountId)
    const found = operations?.get(operation)
    if (!operations || !found) return
    operations.delete(operation)
    if (operations.size === 0) known.delete(accountId)
    if (found.has) return
    version++
    lacks--
  }
  return {
    learn(accountId, operation, has) {
      const operations = known.get(accountId) ?? new Map()
      const found = operations.get(operation)
      const untilMs = monotonicMs() + believedMs
      if (found?.has === has) {
        found.untilMs = untilMs
        return
      }
      if (!known.has(accountId) && known.size >= maxKnown) return
      forget(accountId, operation)
      known.set(accountId, operations.set(operation, { has, untilMs }))
      if (has) return
      version++
      lacks++
    },
    has: (accountId, operation) => read(accountId, operation)?.has,
    lackedBy(accountId) {
      const operations = [...(known.get(accountId)?.keys() ?? [])]
      return operations.flatMap((operation) => {
        const found = read(accountId, operation)
        return found && !found.has ? [{ operation, untilMonotonicMs: found.untilMs }] : []
      })
    },
    get version() {
      return lacks === 0 ? 0 : version
    },
  }
}
