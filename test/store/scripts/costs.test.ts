/** What one request costs the store, counted: the figures are compared with those that are written here. */
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { dataCommands } from '../../../src/node/engines/embedded/commands/table.ts'
import { openStore, type TestStore } from '../stores.ts'
import { accounts, createBench } from './setup.ts'

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

it('an admission takes 12 commands, with a session 14, whatever the number of accounts', async () => {
  const many = { candidates: accounts(...Array.from({ length: 200 }, (_, i) => `account-${i}`)) }
  const sessionKey = 'session'
  expect(await commandsOfAdmission(0)).toBe(12)
  expect(await commandsOfAdmission(0, many)).toBe(12)
  expect(await commandsOfAdmission(0, { sessionKey })).toBe(14)
  expect(await commandsOfAdmission(0, { ...many, sessionKey })).toBe(14)
})

it('a limit of requests in flight takes two more, and so does looking for what expired, once a second', async () => {
  expect(await commandsOfAdmission(0, { limits: { concurrencyLimit: 9 } })).toBe(14)
  expect(await commandsOfAdmission(second - 1)).toBe(12)
  expect(await commandsOfAdmission(second)).toBe(14)
})
