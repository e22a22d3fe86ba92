/** What one request costs the store, counted: the figures are compared with those that are written here. */
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { dataCommands } from '../../../src/node/engines/embedded/commands/table.ts'
import { createRoster } from '../../../src/store/lua/candidates.ts'
import type { Engine } from '../../../src/store/redis.ts'
import { writeRosterScript } from '../../../src/store/scripts/roster.ts'
import { openStore, type TestStore } from '../stores.ts'
import { accounts, createBench, failed } from './setup.ts'

const second = 1_000
let store: TestStore
let calls = 0
beforeAll(async () => {
  // Only scripts run meanwhile, and these take their commands from this table.
  for (const command of Object.values(dataCommands)) {
    const run = command.run.bind(command)
    vi.spyOn(command, 'run').mockImplementation((...given) => {
      calls++
      return run(...given)
    })
  }
  store = await openStore('the embedded engine')
})
afterAll(async () => {
  vi.restoreAllMocks()
  await store.engine.close()
})

let prefix = 0
/** The commands of the second admission of a key, which follows the first after so long. */
async function commandsOfAdmission(
  afterMs: number,
  given: Parameters<ReturnType<typeof createBench>['admit']>[1] = {},
): Promise<number> {
  const { admit, advance } = createBench(store, `costs-${++prefix}:`)
  await admit('first', given)
  await advance(afterMs)
  calls = 0
  expect(await admit('second', given)).toMatchObject({ kind: 'ok' })
  return calls
}

/** The bytes of an admission as it is sent over HTTP, with so many accounts as candidates. */
async function bytesOfAdmission(count: number, isKept = false): Promise<number> {
  let bytes = 0
  const request: Engine['request'] = (given) => {
    bytes = JSON.stringify(given.body).length
    return store.engine.request(given)
  }
  const bench = createBench({ ...store, engine: { ...store.engine, request } as Engine }, 'crs:')
  const { admit, redis, keyspace } = bench
  const id = (i: number) => `01a202c5-1480-70d9-87ed-${String(i).padStart(12, '0')}`
  const candidates = accounts(...Array.from({ length: count }, (_, i) => id(i)))
  const roster = createRoster('0', candidates)
  if (isKept) await writeRosterScript(redis, keyspace, { poolVersion: '0', roster })
  // The text of the script is sent once.
  await admit('known', { candidates })
  const ids = {
    ledgerId: id(++prefix),
    digest: 'd'.repeat(64),
    keyId: id(0),
    sessionKey: 's'.repeat(32),
  }
  const given = { ...ids, candidates, roster: isKept ? roster : undefined }
  expect(await admit(ids.ledgerId, given)).toMatchObject({ kind: 'ok' })
  return bytes
}

it('an admission is at most 1 KB, with 16 accounts 1.7 KB, and with 200 in a roster 1.4 KB', async () => {
  expect(await bytesOfAdmission(1)).toBeLessThanOrEqual(1_000)
  expect(await bytesOfAdmission(16)).toBeLessThanOrEqual(1_700)
  expect(await bytesOfAdmission(200, true)).toBeLessThanOrEqual(1_400)
})

it('an admission takes 12 commands, with a session 14, whatever the number of accounts', async () => {
  const many = { candidates: accounts(...Array.from({ length: 200 }, (_, i) => `account-${i}`)) }
  const sessionKey = 'session'
  expect(await commandsOfAdmission(0)).toBe(12)
  expect(await commandsOfAdmission(0, many)).toBe(12)
  expect(await commandsOfAdmission(0, { sessionKey })).toBe(14)
  expect(await commandsOfAdmission(0, { ...many, sessionKey })).toBe(14)
})

it('a session of many accounts whose own cannot serve takes two more', async () => {
  const { admit, settle, advance } = createBench(store, `costs-${++prefix}:`)
  const candidates = accounts(...Array.from({ length: 200 }, (_, i) => `account-${i}`))
  const given = { candidates, sessionKey: 'session' }
  const first = await admit('first', given)
  const accountId = first.kind === 'ok' ? first.accountId : ''
  await admit('failing', given)
  await advance(10)
  await settle('failing', { accountId, verdict: failed() })
  calls = 0
  expect(await admit('moved', given)).toMatchObject({ kind: 'ok', affinity: 'moved' })
  expect(calls).toBe(16)
})

it('a limit of requests in flight takes two more, and so does looking for what expired, once a second', async () => {
  expect(await commandsOfAdmission(0, { limits: { concurrencyLimit: 9 } })).toBe(14)
  expect(await commandsOfAdmission(second - 1)).toBe(12)
  expect(await commandsOfAdmission(second)).toBe(14)
})
