/** Organisations: which accounts are of one, as their answers tell. Each process finds out by itself. */
import type { HeaderReader } from './http-message.ts'

/** Longer names, and more accounts, come from no vendor. */
const maxNameCharacters = 100
const maxAccounts = 10_000

export interface Organisations {
  /** Notes the organisation that an answer of an account names. */
  learn(accountId: string, headers: HeaderReader): void
  /** A number that accounts of one organisation share; undefined where it is not known, or has no other account. */
  of(accountId: string): number | undefined
  /** Changes with each answer that tells something new. */
  readonly version: number
}

const nameIn = (headers: HeaderReader) =>
  headers.get('anthropic-organization-id') ?? headers.get('openai-organization')

/** Knows nothing at first. What one organisation has signed or cached, its other accounts may open too. */
export function createOrganisations(): Organisations {
  const nameOf = new Map<string, string>()
  const members = new Map<string, { number: number; count: number }>()
  let version = 0
  const count = (name: string, change: number) => {
    const known = members.get(name) ?? { number: ++version, count: 0 }
    known.count += change
    if (known.count > 0) members.set(name, known)
    else members.delete(name)
  }
  return {
    learn(accountId, headers) {
      const name = nameIn(headers)?.slice(0, maxNameCharacters)
      const before = nameOf.get(accountId)
      if (!name || name === before || (!before && nameOf.size >= maxAccounts)) return
      version++
      if (before) count(before, -1)
      nameOf.set(accountId, name)
      count(name, 1)
    },
    of(accountId) {
      const known = members.get(nameOf.get(accountId) ?? '')
      return known && known.count > 1 ? known.number : undefined
    },
    get version() {
      return version
    },
  }
}
