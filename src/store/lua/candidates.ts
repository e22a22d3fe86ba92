/** Lua: the candidates of a request, in few bytes, however many there are. */
import { createHash } from 'node:crypto'
import type { Candidate } from '../../domain/candidate.ts'
import type { ValueOf } from '../script-declaration.ts'

/**
 * The settings of all accounts that a script needs, kept in the pool's hash, so that a request only says
 * which of them are its candidates. It is valid for one version of the pool.
 */
export interface Roster {
  /** Version of the pool, and digest of the rows: gateways of two versions may write other rows. */
  name: string
  rows: string
  /** By account id. */
  positions: ReadonlyMap<string, number>
}

type RosterRow = Pick<Candidate, 'accountId' | 'priority' | 'maxConcurrency' | 'quotaNanoUsd'>

/** Makes the roster of a pool. */
export function createRoster(poolVersion: string, accounts: RosterRow[]): Roster {
  const sorted = accounts.filter(isPlain).sort((a, b) => (a.accountId < b.accountId ? -1 : 1))
  const rows = sorted.map(packRow).join('')
  const digest = createHash('sha1').update(rows).digest('hex').slice(0, 16)
  const positions = new Map(sorted.map(({ accountId }, i) => [accountId, i]))
  return { name: `${poolVersion} ${digest}`, rows, positions }
}

/** The field of the pool's hash that holds its roster: the name, then the rows. */
export const rosterField = 'roster'

/** The name of a stored roster. */
export const rosterName = (stored: string | undefined): string | undefined =>
  stored?.split('\n', 1)[0]

/** The candidates as a script takes them, beside the list `kinds`. */
export const candidateFields = {
  /** The name of the roster that the kinds refer to; empty where the rows are given here. */
  roster: 'text',
  rows: 'text',
  /** For each row the number of its kind, from 1, in so many digits; 0 = no candidate. */
  kindOfRow: 'text',
  digits: 'number',
} as const

/** What candidates have in common, which is all of it for most. */
export const kindFields = {
  family: 'text',
  organisation: 'text',
  quotaDay: 'text',
  quotaEndsMs: 'number',
} as const

type CandidateArgs = ReturnType<typeof packCandidates>
/** Requests that may choose among the same accounts share the list of them. */
const packed = new WeakMap<
  readonly Candidate[],
  { roster: Roster | undefined; args: CandidateArgs }
>()

/**
 * Turns candidates into arguments.
 * @param candidates a list that does not change any more.
 * @param roster one that the store has; undefined = they are written out.
 */
export function candidateArgs(candidates: readonly Candidate[], roster?: Roster): CandidateArgs {
  const known = packed.get(candidates)
  if (known && known.roster === roster) return known.args
  const args = packCandidates(candidates, roster)
  packed.set(candidates, { roster, args })
  return args
}

function packCandidates(candidates: readonly Candidate[], roster: Roster | undefined) {
  const kinds: ValueOf<typeof kindFields>[] = []
  const numbers = new Map<string, number>()
  const kindOf = ({ family, quotaNanoUsd, ...candidate }: Candidate): number => {
    const quotaDay = quotaNanoUsd > 0 ? candidate.quotaDay : ''
    const quotaEndsMs = quotaNanoUsd > 0 ? candidate.quotaEndsMs : 0
    const organisation = organisationText(candidate.organisation)
    const name = `${family} ${organisation} ${quotaDay} ${quotaEndsMs}`
    const number = numbers.get(name) ?? kinds.push({ family, organisation, quotaDay, quotaEndsMs })
    numbers.set(name, number)
    return number
  }
  const plain = candidates.filter(isPlain)
  const kindOfRow = roster ? new Array<number>(roster.positions.size).fill(0) : plain.map(kindOf)
  for (const candidate of roster ? plain : []) {
    const position = roster?.positions.get(candidate.accountId)
    if (position !== undefined) kindOfRow[position] = kindOf(candidate)
  }
  const rows = roster ? '' : plain.map(packRow).join('')
  const digits = String(kinds.length).length
  const packedKinds = kindOfRow.map((kind) => String(kind).padStart(digits, '0')).join('')
  return {
    candidates: { roster: roster?.name ?? '', rows, kindOfRow: packedKinds, digits },
    kinds,
  }
}

/** Empty: not known. */
export const organisationText = (organisation: number | undefined): string =>
  organisation === undefined ? '' : String(organisation)

const packRow = ({ accountId, priority, maxConcurrency, quotaNanoUsd }: RosterRow) =>
  `\n${accountId}|${priority}|${maxConcurrency}|${quotaNanoUsd}`

/** An id of another form comes from a damaged record, and would be taken for two. */
const isPlain = ({ accountId }: RosterRow) => /^[^|\n]+$/.test(accountId)

/**
 * - `allCandidates(args, rows)`: the candidates among the rows of `args`, or of a roster, as records
 * - `findCandidate(args, rows, id)`: the one of this account; nil where it is none
 */
export const candidates = `
local rowPattern = '\\n([^|\\n]+)|([^|\\n]*)|([^|\\n]*)|([^|\\n]*)'
local function candidateOf(args, position, id, priority, cap, quota)
  local digits = args.candidates.digits
  local kind = args.kinds[tonumber(args.candidates.kindOfRow:sub((position - 1) * digits + 1, position * digits)) or 0]
  return kind and { accountId = id, priority = tonumber(priority), maxConcurrency = tonumber(cap),
    quotaNanoUsd = tonumber(quota), family = kind.family, organisation = kind.organisation, quotaDay = kind.quotaDay, quotaEndsMs = kind.quotaEndsMs }
end
local function allCandidates(args, rows)
  local found, position = {}, 0
  for id, priority, cap, quota in rows:gmatch(rowPattern) do
    position = position + 1
    found[#found + 1] = candidateOf(args, position, id, priority, cap, quota) or nil
  end
  return found
end
local function findCandidate(args, rows, id)
  local at = rows:find('\\n' .. id .. '|', 1, true)
  if not at then return nil end
  -- The name of a roster has a line of its own before the rows, without a line feed before it.
  local _, position = rows:sub(1, at):gsub('\\n', '')
  return candidateOf(args, position, rows:match(rowPattern, at))
end
`
