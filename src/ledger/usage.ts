/** Questions to the usage ledger: sums by what and when, from roll-ups and from the hours that are still open. */
import type { Redis } from '@upstash/redis'
import { type Sums, sumFields } from '../domain/sums.ts'
import type { Keyspace } from '../store/keyspace.ts'
import { unpackSums } from '../store/records/sums.ts'
import {
  type Dimension,
  keyRow,
  placesOf,
  type Scale,
  type UsageRow,
  usageRow,
} from '../store/records/usage-row.ts'
import { readUsageScript } from '../store/scripts/read-usage.ts'
import { bucketsAt } from './calendar.ts'

export interface UsageQuery {
  /** The length of the periods that are summed apart. */
  interval: 'hour' | 'day' | 'month'
  /** First and last date (`2026-11-22`), or for months `2026-11`; both belong to the range. */
  from: string
  to: string
  by: readonly Dimension[]
  /** Only rows with these values. */
  filter: Partial<Record<Dimension, string>>
}

/** Sums of one period, and of one combination of what they are by. */
export interface UsageSums {
  /** `2026-10-25T02+0200`, `2026-10-25` or `2026-10`, in the zone in which the ledger is kept. */
  period: string
  /** Of the dimensions that the question sums by. */
  names: Partial<Record<Dimension, string>>
  sums: Sums
}

export interface UsageAnswer {
  kind: 'usage'
  /** In no order. */
  rows: UsageSums[]
  /** Whether an hour of the range that has ended is still missing: it will be there after the next roll-up. */
  isPartial: boolean
  /** Whether any hour that has ended is not rolled up: then the asker lets `rollUp` run in the background. */
  isRollUpDue: boolean
}

/** The question reads too much; `from` and `to` are the latest part of its range that can be asked for. */
export type TooWide = { kind: 'too_wide'; from: string; to: string } | { kind: 'too_wide' }

/** Where the ledger is, and the present of the caller. */
export interface UsageSource {
  redis: Redis
  keyspace: Keyspace
  nowMs: number
  timeZone: string
}

const scaleOf = { hour: 'hours', day: 'days', month: 'months' } as const

/** One hash of roll-ups, and what its fields leave out. */
interface Part {
  hash: string
  period: string
  read(field: string): { part: string; row: Partial<UsageRow> } | undefined
}

/**
 * Answers in one round trip, or in two where rows of several dimensions are asked for of every key.
 * @throws what the engine throws.
 */
export async function readUsage(
  source: UsageSource,
  query: UsageQuery,
): Promise<UsageAnswer | TooWide> {
  const periods = hashPeriods(query)
  const openHours = openHoursOf(source)
  const views = await viewsOf(source, query, { periods, openHours })
  if (!views) return { kind: 'too_wide' }
  // The newest first, so that what fits of a range that is too wide is its latest part.
  const parts = periods.flatMap((period) =>
    views.map((view) => partOf(source, query, period, view)),
  )
  const found = await readUsageScript(source.redis, source.keyspace, [
    ...openHours.map(source.keyspace.usage.openHour),
    ...parts.map(({ hash }) => hash),
  ])
  if ('readable' in found) {
    return tooWide(query, periods, Math.floor((found.readable - openHours.length) / views.length))
  }
  const collected = createCollector(query)
  found.hashes.slice(openHours.length).forEach((fields, i) => {
    for (const [field, packed] of fields) {
      const read = parts[i]?.read(field)
      if (read)
        collected.add(periodName(query, parts[i]?.period ?? '', read.part), read.row, packed)
    }
  })
  openHours.forEach((hourId, i) => {
    const { period, part } = placesOf(hourId)[scaleOf[query.interval]]
    for (const [field, packed] of found.hashes[i] ?? []) {
      const row = usageRow.decode(field)
      if (row) collected.add(periodName(query, period, part), row, packed)
    }
  })
  const missing = found.openHours.filter((hourId) => !openHours.includes(hourId))
  const inRange = missing.some((hourId) => isInRange(query, periodOfHour(query, hourId)))
  const isRollUpDue = found.openHours.some((hourId) => hourId !== openHours[0])
  return { kind: 'usage', rows: collected.rows(), isPartial: inRange, isRollUpDue }
}

/** The present hour and the one before, which may not be rolled up yet. */
function openHoursOf({ nowMs, timeZone }: UsageSource): string[] {
  const { hourId, hourStartsMs } = bucketsAt(nowMs, timeZone)
  return [hourId, bucketsAt(hourStartsMs - 1, timeZone).hourId]
}

/** Which roll-ups answer it: undefined where there are more keys than one answer can name. */
async function viewsOf(
  { redis, keyspace }: UsageSource,
  { interval, by, filter }: UsageQuery,
  { periods, openHours }: { periods: string[]; openHours: string[] },
): Promise<string[] | undefined> {
  const { usage } = keyspace
  if (filter.key !== undefined) return [`key:${filter.key}`]
  const names = new Set([...by, ...(Object.keys(filter) as Dimension[])])
  const [only = 'all'] = names
  if (names.size <= 1) return [only]
  const hashes = periods.map((period) => usage.rollUp(scaleOf[interval], period, 'key'))
  // The first row of a key may be rolled up between this answer and the next one.
  const found = await readUsageScript(redis, keyspace, [
    ...openHours.map(usage.openHour),
    ...hashes,
  ])
  if ('readable' in found) return undefined
  const keyIds = found.hashes.flatMap((hash, i) =>
    [...hash.keys()].map((field) =>
      i < openHours.length ? usageRow.decode(field)?.keyId : splitPart(field).rest,
    ),
  )
  return [...new Set(keyIds)].map((keyId) => `key:${keyId ?? ''}`)
}

function partOf(
  { keyspace }: UsageSource,
  { interval }: UsageQuery,
  period: string,
  view: string,
): Part {
  const hash = keyspace.usage.rollUp(scaleOf[interval], period, view)
  const read = (field: string) => {
    const { part, rest } = splitPart(field)
    const row = rowOfView(view, rest)
    return row && { part, row }
  }
  return { hash, period, read }
}

function rowOfView(view: string, rest: string): Partial<UsageRow> | undefined {
  if (view.startsWith('key:')) {
    const row = keyRow.decode(rest)
    return row && { ...row, keyId: view.slice('key:'.length) }
  }
  return view === 'all' ? {} : { [fieldOf[view as Dimension]]: rest }
}

const fieldOf = {
  key: 'keyId',
  account: 'accountId',
  model: 'model',
  client: 'client',
} as const satisfies Record<Dimension, keyof UsageRow>

function splitPart(field: string): { part: string; rest: string } {
  const at = field.indexOf('|')
  return at < 0
    ? { part: field, rest: '' }
    : { part: field.slice(0, at), rest: field.slice(at + 1) }
}

/** The periods whose hashes hold the range, newest first. */
function hashPeriods({ interval, from, to }: UsageQuery): string[] {
  const length = { hour: 10, day: 7, month: 4 }[interval]
  const periods: string[] = []
  for (let name = to.slice(0, length); name >= from.slice(0, length); name = periodBefore(name)) {
    periods.push(name)
  }
  return periods
}

/** The day, month or year before one. */
function periodBefore(name: string): string {
  const first = Date.parse(
    `${name}${'-01-01'.slice(name.length === 4 ? 0 : name.length === 7 ? 3 : 6)}`,
  )
  return new Date(first - 1).toISOString().slice(0, name.length)
}

/** The name of a period, from that of its hash and from its part. */
function periodName({ interval }: UsageQuery, period: string, part: string): string {
  return interval === 'hour' ? `${period}T${part}` : `${period}-${part}`
}

function periodOfHour(query: UsageQuery, hourId: string): string {
  const { period, part } = placesOf(hourId)[scaleOf[query.interval] satisfies Scale]
  return periodName(query, period, part)
}

function isInRange({ from, to, interval }: UsageQuery, period: string): boolean {
  const name = interval === 'hour' ? period.slice(0, 10) : period
  return from <= name && name <= to
}

function tooWide({ from, to }: UsageQuery, periods: string[], readable: number): TooWide {
  const last = periods[readable - 1]
  if (last === undefined) return { kind: 'too_wide' }
  const firstOf = `${last}${'-01-01'.slice(last.length - 4)}`.slice(0, from.length)
  return { kind: 'too_wide', from: firstOf > from ? firstOf : from, to }
}

/** Adds up what belongs to the question. */
function createCollector(query: UsageQuery) {
  const { by, filter } = query
  const filters = Object.entries(filter) as [Dimension, string][]
  const found = new Map<string, UsageSums>()
  return {
    add(period: string, row: Partial<UsageRow>, packed: string): void {
      if (!isInRange(query, period)) return
      if (filters.some(([dimension, value]) => row[fieldOf[dimension]] !== value)) return
      const values = by.map((dimension) => row[fieldOf[dimension]] ?? '')
      const name = [period, ...values].join('|')
      const sums = unpackSums(packed)
      const known = found.get(name)
      if (!known) {
        const names = Object.fromEntries(by.map((dimension, i) => [dimension, values[i]]))
        found.set(name, { period, names, sums })
      } else for (const field of sumFields) known.sums[field] += sums[field]
    },
    rows: () => [...found.values()],
  }
}
