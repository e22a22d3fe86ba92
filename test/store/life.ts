/** Lives of simulated processes, each decided by a list of numbers, held against the model at every step. */
import { expect } from 'vitest'
import { decodeLoad } from '../../src/store/records/load.ts'
import { schemaVersion } from '../../src/store/schema.ts'
import { createTape } from './fault-shim.ts'
import { checkState, checkStep, readState, type State } from './scripts.model.ts'
import { createWorld, poolIds, rollUpHours, serve, sweep, type World } from './simulation.ts'
import type { TestStore } from './stores.ts'

const hourMs = 60 * 60 * 1_000
const processes = ['one', 'two', 'three', 'four'] as const
let worlds = 0

export interface Pace {
  leaseMs: number
  claimMs: number
  /** Hours that may pass within one life: markers must outlive it. */
  hours: number
}

/** A life of four processes as `numbers` decide it, and the way to rest after it. */
export async function live(store: TestStore, pace: Pace, numbers: number[]): Promise<void> {
  const { leaseMs, claimMs } = pace
  const world = createWorld(store, `run-${++worlds}:`, createTape(numbers), leaseMs)
  const { network, sleepers, tape } = world
  const faults: unknown[] = []
  const start = (work: Promise<void>) => void work.catch((error) => faults.push(error))
  // A store without a format would be converted by its first script.
  const body = ['hset', world.keyspace.pool, 'schema', String(schemaVersion)]
  await store.engine.request({ body })
  let state = await readState(world)
  let { hours } = pace

  const deliver = async (index: number) => {
    const executed = await network.deliver(index)
    state = await check(world, state, executed)
  }
  while (!tape.isSpent()) {
    const process = tape.oneOf(...processes)
    const choice = tape.pick(100)
    if (choice < 55 && network.inFlight.length > 0)
      await deliver(tape.pick(network.inFlight.length))
    else if (choice < 75 && sleepers.length > 0) wake(world, tape.pick(sleepers.length))
    else if (choice < 85) start(serve(world, process))
    else if (choice < 90) await store.advance(tape.pick(leaseMs))
    else if (choice < 92) await store.advance(leaseMs)
    else if (choice < 93) await store.advance(claimMs)
    else if (choice < 95 && hours-- > 0) await store.advance(hourMs)
    else if (choice < 97) start(sweep(world, process, tape.oneOf(...poolIds)))
    else if (choice < 99) start(rollUpHours(world, process))
    else if (choice === 99 && process !== 'one') network.crash(process)
    await new Promise(setImmediate)
  }

  world.calm = true
  for (const packet of network.inFlight) packet.fault = 'none'
  for (let round = 0; round < 12 && (round === 0 || !isAtRest(state)); round++) {
    while (network.inFlight.length + sleepers.length > 0) {
      if (network.inFlight.length > 0) await deliver(0)
      else wake(world, 0)
      await new Promise(setImmediate)
    }
    await store.advance(leaseMs + claimMs)
    for (const poolId of poolIds) start(sweep(world, 'one', poolId))
    for (const process of ['one', 'one'] as const) start(rollUpHours(world, process))
    await new Promise(setImmediate)
  }
  expect(faults).toEqual([])
  checkRest(state)
}

function wake(world: World, index: number): void {
  const [sleeper] = world.sleepers.splice(index, 1)
  if (sleeper && world.network.isAlive(sleeper.process)) sleeper.wake()
}

async function check(
  world: World,
  before: State,
  executed: Awaited<ReturnType<World['network']['deliver']>>,
): Promise<State> {
  if (!executed) return before
  const after = await readState(world)
  checkState(world, after)
  checkStep(world, before, after, executed.call, executed.result)
  return after
}

function isAtRest({ requests, orphans }: State): boolean {
  const open = Object.values(requests).some((request) => request.state === 'admitted')
  return !open && Object.keys(orphans).length === 0
}

function checkRest(state: State): void {
  const open = Object.values(state.requests).filter((request) => request.state === 'admitted')
  const leases = [...Object.values(state.pools), ...Object.values(state.keys)].map((x) => x.leases)
  const loads = Object.values(state.pools).flatMap((poolId) => Object.values(poolId.loads))
  const carried = loads.map(decodeLoad).flatMap((load) => [load.inflight, load.reservedNanoUsd])
  const held = Object.values(state.keys).map(({ counters }) => counters.heldNanoUsd ?? '0')
  expect({ open, orphans: state.orphans }).toEqual({ open: [], orphans: {} })
  expect(leases.every((row) => Object.keys(row).length === 0)).toBe(true)
  expect([...carried, ...held.map(Number)].every((count) => count === 0)).toBe(true)
}
