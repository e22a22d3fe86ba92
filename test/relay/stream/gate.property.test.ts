/** The client sees one account's answer or one error, byte for byte, however the upstreams behave. */
import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEmbeddedEngine } from '../../../src/node/engines/embedded/engine.ts'
import type { Engine } from '../../../src/store/redis.ts'
import { runs } from '../../support/property.ts'
import { startUpstream, type Upstream } from '../../support/upstream.ts'
import { checkAnswer } from './gate.answer.ts'
import { expected } from './gate.oracle.ts'
import { createClock, play } from './gate.player.ts'
import { openPool, type Pool } from './gate.pool.ts'
import { type Script, scripts } from './gate.scripts.ts'

const patienceMs = 10
const keepaliveMs = 4

const clock = createClock()
const pools: Pool[] = []
let store: Engine
let upstream: Upstream

beforeAll(async () => {
  store = createEmbeddedEngine({ path: ':memory:', now: clock.now })
  upstream = await startUpstream()
})
afterAll(async () => {
  for (const pool of pools.filter(Boolean)) await pool.close()
  await store.close()
  await upstream.close()
})

interface Run {
  isStream: boolean
  isKeptAlive: boolean
  deadlineMs: number
  scripts: Script[]
}

const run: fc.Arbitrary<Run> = fc.boolean().chain((isStream) =>
  fc.record({
    isStream: fc.constant(isStream),
    isKeptAlive: fc.boolean(),
    deadlineMs: fc.constantFrom(1_000_000, 1_000_000, patienceMs, 1.5 * patienceMs),
    scripts: scripts(isStream),
  }),
)

/** Sets the scene for a run; each account has its script. */
async function prepare({ isKeptAlive, deadlineMs, scripts }: Run): Promise<Pool> {
  const accounts = scripts.length
  pools[accounts] ??= await openPool(store, upstream.url, accounts, clock)
  const pool = pools[accounts]
  pool.configure({
    UPSTREAM_FIRST_BYTE_TIMEOUT_SECONDS: patienceMs / 1000,
    UPSTREAM_IDLE_TIMEOUT_SECONDS: patienceMs / 1000,
    UPSTREAM_JSON_TIMEOUT_SECONDS: patienceMs / 1000,
    REQUEST_DEADLINE_SECONDS: deadlineMs / 1000,
    STREAM_KEEPALIVE_SECONDS: isKeptAlive ? keepaliveMs / 1000 : 1_000,
  })
  for (const [index, script] of scripts.entries()) {
    upstream.behave(pool.credential(index), play(script, clock, patienceMs))
  }
  upstream.requests.length = 0
  return pool
}

const bodyFor = ({ isStream }: Run) =>
  JSON.stringify({ model: 'claude-sonnet-4-6', messages: [], stream: isStream })

async function staysToTheEnd(run: Run): Promise<void> {
  const { isStream, isKeptAlive, scripts, deadlineMs } = run
  const pool = await prepare(run)
  const body = bodyFor(run)
  const answer = await pool.send(body)
  const given = { isStream, scripts, patienceMs, deadlineMs, requestBytes: body.length }
  const should = expected(given)
  const asked = scripts.slice(0, should.attempts.length)
  const waited = asked.some(({ wait }) => wait !== 'never')
  const held = !isStream || !isKeptAlive ? 'never' : waited ? 'surely' : 'perhaps'
  checkAnswer(answer, should.shown, held)
  await pool.checkBooks(should)
  const credentials = asked.map((_, index) => pool.credential(index))
  expect(withoutRepeats(asked, pool)).toEqual(credentials)
  await checkUpstream()
}

/** Who was asked; an end without one byte may be that of an idle connection, so it is asked once more. */
function withoutRepeats(asked: Script[], pool: Pool): string[] {
  const all = upstream.requests.map(({ credential }) => credential)
  const isSilentEnd = ({ answer, end }: Script) =>
    answer.kind === 'none' && (end === 'cut' || end === 'reset')
  const repeated = asked.flatMap((script, index) =>
    isSilentEnd(script) ? [pool.credential(index)] : [],
  )
  return all.filter((each, index) => {
    const isRepeat = each === all[index - 1] && each !== all[index - 2]
    return !(isRepeat && repeated.includes(each))
  })
}

async function leavesAfter(run: Run, turns: number): Promise<void> {
  const pool = await prepare(run)
  const leave = new AbortController()
  const sent = pool.send(bodyFor(run), leave.signal)
  for (let i = 0; i < turns; i++) await turn()
  leave.abort()
  await sent
  await pool.checkPeace()
  await checkUpstream()
}

/** Nobody is still answering. */
async function checkUpstream(): Promise<void> {
  const ended = Promise.all(upstream.requests.map(({ aborted }) => aborted))
  const late = new Promise((resolve) =>
    setTimeout(resolve, 30_000, 'an upstream is still answering'),
  )
  expect(await Promise.race([ended, late])).toHaveLength(upstream.requests.length)
}

describe('the gate', () => {
  it('shows exactly one answer, or one error, whatever the upstreams do', async () => {
    await fc.assert(fc.asyncProperty(run, staysToTheEnd), runs(50))
  })

  it('settles once and hangs up on everybody, whenever the client leaves', async () => {
    await fc.assert(fc.asyncProperty(run, fc.nat(300), leavesAfter), runs(100))
  })
})
