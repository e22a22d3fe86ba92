/** The usage ledger of a simulated world, read from its raw keys and held against the receipts. */
import { expect } from 'vitest'
import { bucketsAt } from '../../src/ledger/calendar.ts'
import { openMark } from '../../src/store/lua/usage.ts'
import {
  dimensions,
  keyRow,
  placesOf,
  scales,
  usageRow,
} from '../../src/store/records/usage-row.ts'
import { keyIds, type World } from './simulation.ts'

type Row = Record<string, string>

export interface UsageState {
  /** Hour → its rows, of the hours that the index names. */
  open: Record<string, Row>
  /** Scale and view → sums by the rest of the field, over all periods. */
  rollUps: Record<string, Row>
}

const hourMs = 60 * 60 * 1_000
const views = ['all', ...dimensions, ...keyIds.map((keyId) => `key:${keyId}`)]

/** @param startMs when the world began; nothing of it is in an earlier hour. */
export async function readUsageState(
  { keyspace: { usage }, store, startMs }: World,
  hash: (key: string) => Promise<Row>,
  sortedSet: (key: string) => Promise<Row>,
): Promise<UsageState> {
  const hours: string[] = []
  for (let ms = startMs; ms < store.nowMs() + hourMs; ms += hourMs) {
    hours.push(bucketsAt(Math.min(ms, store.nowMs()), 'UTC').hourId)
  }
  const openHours = Object.keys(await sortedSet(usage.openHours))
  const open = openHours.map(async (hourId) => [hourId, await hash(usage.openHour(hourId))])
  const rollUps = scales.flatMap((scale) =>
    views.map(async (view) => {
      const periods = new Set(hours.map((hourId) => placesOf(hourId)[scale].period))
      const sums: Row = {}
      for (const period of periods) {
        const fields = await hash(usage.rollUp(scale, period, view))
        for (const [field, packed] of Object.entries(fields)) {
          const rest = field.includes('|') ? field.slice(field.indexOf('|') + 1) : ''
          sums[rest] = add(sums[rest], packed)
        }
      }
      return [`${scale} ${view}`, sums]
    }),
  )
  return {
    open: Object.fromEntries(await Promise.all(open)),
    rollUps: Object.fromEntries(await Promise.all(rollUps)),
  }
}

/** Every row is in one place, and what open hours and roll-ups hold together are the receipts. */
export function checkUsage(
  { open, rollUps }: UsageState,
  receipts: { row: string; amounts: string }[],
): void {
  const openRows: Row = {}
  for (const [hourId, rows] of Object.entries(open)) {
    expect(rows[openMark], 'the mark of an open hour').toBe(hourId)
    for (const [row, packed] of Object.entries(rows)) {
      if (row !== openMark) openRows[row] = add(openRows[row], packed)
    }
  }
  const expected: Row = {}
  for (const { row, amounts } of receipts) expected[row] = add(expected[row], amounts)
  for (const scale of scales) {
    const found = { ...openRows }
    for (const keyId of keyIds) {
      for (const [rest, packed] of Object.entries(rollUps[`${scale} key:${keyId}`] ?? {})) {
        const kept = keyRow.decode(rest)
        const row = kept && usageRow.encode({ ...kept, keyId })
        expect(row, `a row of ${keyId}: ${rest}`).toBeDefined()
        found[row ?? ''] = add(found[row ?? ''], packed)
      }
    }
    expect(withoutZeros(found), `${scale}: open hours + roll-ups = receipts`).toEqual(
      withoutZeros(expected),
    )
    checkViews(rollUps, scale)
  }
}

/** Each view of a scale is the sum of its rows. */
function checkViews(rollUps: UsageState['rollUps'], scale: string): void {
  const sums: Record<string, Row> = { all: {}, key: {}, account: {}, model: {}, client: {} }
  for (const keyId of keyIds) {
    for (const [rest, packed] of Object.entries(rollUps[`${scale} key:${keyId}`] ?? {})) {
      const { accountId = '', model = '', client = '' } = keyRow.decode(rest) ?? {}
      const names = { all: '', key: keyId, account: accountId, model, client }
      for (const [view, name] of Object.entries(names)) {
        const row = sums[view] ?? {}
        row[name] = add(row[name], packed)
      }
    }
  }
  for (const [view, row] of Object.entries(sums)) {
    const found = rollUps[`${scale} ${view}`] ?? {}
    expect(withoutZeros(found), `${scale} by ${view}`).toEqual(withoutZeros(row))
  }
}

/** A settlement changes the hour in which it is made, and none that has ended. */
export function checkClosedHours(before: UsageState, after: UsageState, presentHour: string): void {
  expect(after.rollUps, 'roll-ups').toEqual(before.rollUps)
  const ended = ({ open }: UsageState) =>
    Object.fromEntries(Object.entries(open).filter(([hourId]) => hourId !== presentHour))
  expect(ended(after), 'hours that have ended').toEqual(ended(before))
}

function add(packed: string | undefined, amounts: string): string {
  const sums = packed?.split(':').map(Number) ?? []
  const others = amounts.split(':').map(Number)
  const length = Math.max(sums.length, others.length)
  return Array.from({ length }, (_, i) => (sums[i] ?? 0) + (others[i] ?? 0)).join(':')
}

/** Taking an orphan back leaves zeros behind, which say the same as nothing. */
function withoutZeros(row: Row): Row {
  return Object.fromEntries(Object.entries(row).filter(([, packed]) => !/^[0:]*$/.test(packed)))
}
