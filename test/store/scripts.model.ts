/** What must hold in the store after every step, read from its raw keys. */
import { expect } from 'vitest'
import { bucketsAt } from '../../src/ledger/calendar.ts'
import { decodeHealth } from '../../src/store/records/health.ts'
import { lease } from '../../src/store/records/lease.ts'
import { decodeLoad } from '../../src/store/records/load.ts'
import { usageRow } from '../../src/store/records/usage-row.ts'
import type { AdmitInput } from '../../src/store/scripts/admit.ts'
import { accountsOf, type Call, keyIds, poolIds, type World } from './simulation.ts'
import { checkClosedHours, checkUsage, readUsageState, type UsageState } from './usage.model.ts'

type Row = Record<string, string>

export interface State {
  nowMs: number
  pools: Record<string, { leases: Row; loads: Row; health: Row }>
  keys: Record<string, { leases: Row; waiting: Row; counters: Row }>
  requests: Record<string, Row>
  orphans: Row
  usage: UsageState
}

/** A lease member, taken apart. */
export function parseMember(member: string) {
  const held = lease.decode(member)
  if (!held) throw new Error(`Not a lease: ${member}`)
  return held
}

export async function readState(world: World): Promise<State> {
  const { keyspace, store } = world
  const read = async (...body: (string | number)[]): Promise<Row> => {
    const { result, error } = await store.engine.request<string[]>({ body })
    if (!result) throw new Error(error)
    const row: Row = {}
    for (let i = 0; i < result.length; i += 2) row[result[i] ?? ''] = String(result[i + 1])
    return row
  }
  const hash = (key: string) => read('hgetall', key)
  const sortedSet = (key: string) => read('zrange', key, 0, -1, 'withscores')
  const all = async <Value>(names: readonly string[], one: (name: string) => Promise<Value>) =>
    Object.fromEntries(
      await Promise.all(names.map(async (name) => [name, await one(name)] as const)),
    )

  const [ofPools, ofKeys, requests, orphans, usage] = await Promise.all([
    all(poolIds, async (poolId) => {
      const [leases, loads, health] = await Promise.all([
        sortedSet(keyspace.poolLeases(poolId)),
        hash(keyspace.load(poolId)),
        hash(keyspace.health(poolId)),
      ])
      return { leases, loads, health }
    }),
    all(keyIds, async (keyId) => {
      const [leases, waiting, counters] = await Promise.all([
        sortedSet(keyspace.keyLeases(keyId)),
        sortedSet(keyspace.waiting(keyId)),
        hash(keyspace.keyCounters(keyId)),
      ])
      return { leases, waiting, counters }
    }),
    all(world.ledgerIds, (ledgerId) => hash(keyspace.request(ledgerId))),
    sortedSet(keyspace.orphans),
    readUsageState(world, hash, sortedSet),
  ])
  return { nowMs: store.nowMs(), pools: ofPools, keys: ofKeys, requests, orphans, usage }
}

/** Counters are the sums of what they count, and every open request has exactly one lease or orphan. */
export function checkState(world: World, state: State): void {
  const heldMembers = Object.values(state.keys).flatMap(({ leases }) => Object.keys(leases))
  const leased = Object.values(state.pools).flatMap(({ leases }) => Object.keys(leases))
  const open = Object.values(state.requests).filter(({ state }) => state === 'admitted')
  const orphans = Object.keys(state.orphans)
  expect(heldMembers.sort(), 'held = open').toEqual(open.map(({ member }) => member).sort())
  expect([...leased, ...orphans].sort(), 'leased or orphaned = held').toEqual(heldMembers)

  for (const [poolId, { leases, loads }] of Object.entries(state.pools)) {
    for (const accountId of accountsOf(poolId)) {
      const load = decodeLoad(loads[accountId])
      const members = Object.keys(leases)
        .map(parseMember)
        .filter((m) => m.accountId === accountId)
      const live = members.length
      expect(load.inflight, `in flight of ${accountId}`).toBe(live)
      const waiting = orphans.map(parseMember).filter((m) => m.accountId === accountId)
      const reservations = [...members, ...waiting].map(
        ({ reservationNanoUsd }) => reservationNanoUsd,
      )
      expect(load.reservedNanoUsd, `held of ${accountId}`).toBe(sum(reservations))
      expect(load.spentNanoUsd, `spent of ${accountId}`).toBe(spentOf(state, accountId, load.day))
      if (world.limits.cap > 0)
        expect(live, `cap of ${accountId}`).toBeLessThanOrEqual(world.limits.cap)
    }
  }
  for (const [keyId, { leases, counters }] of Object.entries(state.keys)) {
    const reservations = Object.keys(leases).map((member) => parseMember(member).reservationNanoUsd)
    expect(Number(counters.heldNanoUsd ?? 0), `held of ${keyId}`).toBe(sum(reservations))
    const opus = Object.keys(leases).filter((member) => parseMember(member).family === 'opus')
    const opusReservations = opus.map((member) => parseMember(member).reservationNanoUsd)
    expect(Number(counters.heldOpusNanoUsd ?? 0), `Opus held of ${keyId}`).toBe(
      sum(opusReservations),
    )
    checkKeySums(counters, receiptsOf(state, keyId))
    if (world.limits.windowRequests > 0) {
      const used = Number(counters.windowRequests ?? 0)
      expect(used, 'window').toBeLessThanOrEqual(world.limits.windowRequests)
    }
  }
  checkUsage(state.usage, receiptsOf(state))
}

/** What the receipts of an account's day add up to. */
function spentOf(state: State, accountId: string, day: string): number {
  const charged = Object.values(state.requests).filter(
    ({ state, account, quotaDay }) =>
      (state === 'settled' || state === 'orphaned') && account === accountId && quotaDay === day,
  )
  return sum(charged.map(({ cost }) => Number(cost)))
}

/** Whoever is given an account finds its day unspent; beyond that go at most the reservations of one request. */
function checkQuota(
  { limits: { quotaNanoUsd } }: World,
  before: State,
  after: State,
  poolId: string,
  accountId: string,
): void {
  if (quotaNanoUsd === 0) return
  const was = decodeLoad(before.pools[poolId]?.loads[accountId])
  const is = decodeLoad(after.pools[poolId]?.loads[accountId])
  const today = new Date(after.nowMs).toISOString().slice(0, 10)
  const spent = was.day >= today ? was.spentNanoUsd : 0
  expect(spent, `spent of the day of ${accountId}`).toBeLessThan(quotaNanoUsd)
  if (is.inflight > 1 && is.reservedNanoUsd > 0 && was.reservedNanoUsd > 0)
    expect(spent + is.reservedNanoUsd, `spent + held of ${accountId}`).toBeLessThanOrEqual(
      quotaNanoUsd,
    )
}

/** What the requests have been charged for, all or those of one key, with the rows they were booked in. */
function receiptsOf({ requests }: State, ofKey?: string) {
  return Object.values(requests).flatMap((receipt) => {
    const { state, row = '', amounts = '', cost } = receipt
    if (state !== 'settled' && state !== 'orphaned') return []
    const { keyId } = parseMember(receipt.member ?? '')
    expect(amounts.split(':')[7], 'cost of the receipt').toBe(cost)
    expect(usageRow.decode(row)?.keyId, 'key of the row').toBe(keyId)
    return ofKey === undefined || ofKey === keyId ? [{ row, amounts }] : []
  })
}

/** What the counters of a key keep in total is what its receipts add up to. */
function checkKeySums(counters: Row, receipts: { amounts: string }[]): void {
  const wanted = receipts.map(({ amounts }) => amounts.split(':').map(Number))
  const of = (field: number) => sum(wanted.map((sums) => sums[field] ?? 0))
  const found = counters.totalSums?.split(':').map(Number) ?? []
  for (const field of [0, 2, 7]) expect(found[field] ?? 0, `total ${field}`).toBe(of(field))
  expect(counters.spentNanoUsd ?? '0', 'spent').toBe(String(of(7)))
}

/** What one executed script may have changed; `before` and `after` enclose it. */
export function checkStep(
  world: World,
  before: State,
  after: State,
  call: Call,
  result: unknown,
): void {
  for (const [ledgerId, { state }] of Object.entries(after.requests)) {
    const was = before.requests[ledgerId]?.state ?? 'none'
    expect(successors[was], `${ledgerId} was ${was}`).toContain(state ?? 'none')
  }
  if (call.script === 'settle') {
    checkClosedHours(before.usage, after.usage, bucketsAt(after.nowMs, 'UTC').hourId)
  }
  if (call.script === 'settle' && call.input.kind !== 'orphan') {
    const wanted = call.input.kind === 'final' ? 'settled' : 'void'
    const other = before.requests[call.input.ledgerId]?.state
    const state = after.requests[call.input.ledgerId]
    const [kind] = Array.isArray(result) ? result : []
    if (kind === 'otherHour')
      expect(state, 'in another hour').toEqual(before.requests[call.input.ledgerId])
    else if (other === 'settled' || other === 'void') expect(kind).toBe('duplicate')
    else expect(state?.state).toBe(wanted)
    if (kind === 'charged') expect(state?.cost).toBe(String(call.input.costNanoUsd))
  }
  if (call.script === 'reassign' || call.script === 'renew') {
    const { ledgerId } = call.input
    const changed = { request: after.requests[ledgerId], pools: after.pools }
    const unchanged = { request: before.requests[ledgerId], pools: before.pools }
    const { generation: current, state } = before.requests[ledgerId] ?? {}
    // A renewal is for the request, on whichever account it is by now.
    const isCurrent =
      state === 'admitted' && (call.script === 'renew' || current === String(call.input.generation))
    if (!isCurrent) expect(changed, 'replay of an old generation').toEqual(unchanged)
  }
  if (call.script !== 'admit' && call.script !== 'reassign') return
  if (!Array.isArray(result) || result[0] !== 'ok') return
  const { ledgerId, poolId, keyId, candidates, probeMs } = call.input
  const was = before.requests[ledgerId]
  const is = after.requests[ledgerId]
  if (was?.generation === is?.generation) return
  const accountId = is?.account ?? ''
  expect(candidates.map((candidate) => candidate.accountId)).toContain(accountId)
  checkQuota(world, before, after, poolId, accountId)
  for (const field of [accountId, `${accountId}/${call.input.family}`]) {
    const record = decodeHealth(before.pools[poolId]?.health[field])
    if (!record) continue
    const { untilMs } = record
    expect(untilMs, `${accountId} is cooling`).toBeLessThanOrEqual(after.nowMs)
    const probe = Number(after.pools[poolId]?.health[field]?.split('|')[0])
    expect(probe, 'probe').toBeGreaterThanOrEqual(before.nowMs + probeMs)
  }
  if (call.script === 'admit') {
    checkAdmission(world, before, after, keyId)
    checkTurn(world, before, after, call.input)
  }
}

function checkAdmission(world: World, before: State, after: State, keyId: string): void {
  const { limits, windowMs } = world
  const live = Object.values(after.keys[keyId]?.leases ?? {}).filter(
    (end) => Number(end) > after.nowMs,
  )
  if (limits.concurrency > 0) expect(live.length).toBeLessThanOrEqual(limits.concurrency)
  const was = before.keys[keyId]?.counters ?? {}
  const is = after.keys[keyId]?.counters ?? {}
  // Whoever is admitted finds its budget unspent; beyond it go at most the reservations of one request.
  const { totalCostLimit } = limits.budgets
  const spent = Number(was.spentNanoUsd ?? 0)
  if (totalCostLimit > 0) {
    expect(spent, 'spent at admission').toBeLessThan(totalCostLimit)
    const wasHeld = Number(was.reservedNanoUsd ?? 0)
    if (wasHeld > 0) {
      expect(spent + Number(is.reservedNanoUsd ?? 0), 'spent + held').toBeLessThanOrEqual(
        totalCostLimit,
      )
    }
  }
  if (is.windowEndsMs === was.windowEndsMs) {
    expect(Number(is.windowEndsMs)).toBeGreaterThan(before.nowMs)
    expect(Number(is.windowRequests)).toBe(Number(was.windowRequests) + 1)
  } else {
    expect(Number(was.windowEndsMs ?? 0)).toBeLessThanOrEqual(after.nowMs)
    expect(Number(is.windowEndsMs)).toBeGreaterThanOrEqual(before.nowMs + windowMs)
    expect(is.windowRequests).toBe('1')
  }
}

/** Whoever is admitted leaves a slot for each live ticket that came before. */
function checkTurn(
  { limits }: World,
  before: State,
  after: State,
  { keyId, queue: { ticket } }: AdmitInput,
): void {
  if (limits.concurrency === 0) return
  const live = (row: Row = {}) => Object.keys(row).filter((it) => Number(row[it]) > after.nowMs)
  const { leases, waiting } = before.keys[keyId] ?? {}
  const ahead = live(waiting).filter((it) => it !== ticket && (ticket === '' || it < ticket))
  expect(live(leases).length + ahead.length, 'in flight or ahead').toBeLessThan(limits.concurrency)
  expect(Object.keys(after.keys[keyId]?.waiting ?? {}), 'waiting').not.toContain(ticket)
}

const successors: Record<string, string[]> = {
  none: ['none', 'admitted', 'void'],
  admitted: ['admitted', 'settled', 'void', 'orphaned'],
  orphaned: ['orphaned', 'settled', 'void'],
  settled: ['settled'],
  void: ['void'],
}

const sum = (numbers: number[]) => numbers.reduce((total, number) => total + number, 0)
