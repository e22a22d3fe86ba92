import { describe, expect, it } from 'vitest'
import type { Account } from '../../../src/catalog/account.ts'
import { type ApiKey, ApiKeySettings } from '../../../src/catalog/api-key.ts'
import { createOrganisations } from '../../../src/organisations.ts'
import { claudeConsole } from '../../../src/platforms/claude-console.ts'
import { codex } from '../../../src/platforms/codex.ts'
import { asCandidates, findCandidates } from '../../../src/relay/scheduling/candidates.ts'
import { accountOf } from '../../platforms/call.ts'

const poolId = 'claude-console'
/** A second platform in the pool, to which keys are bound by a field of its own. */
const other = { ...codex, poolId }

const apiKeyOf = (fields: Partial<ApiKeySettings> = {}): ApiKey => ({
  ...ApiKeySettings.parse({ name: 'key' }),
  ...{ id: 'key-1', digest: '', keyPreview: '', createdAt: '', updatedAt: '', createdBy: '' },
  ...{ isDeleted: false, deletedAt: null, deletedBy: null, restoredAt: null },
  ...fields,
})

function choose(
  accounts: Partial<Account>[],
  { key = {}, platforms = [claudeConsole, other], model = 'm', canProxy = true } = {},
) {
  const records = accounts.map((fields) => accountOf(fields))
  const choice = findCandidates({
    accounts: new Map(records.map((record) => [record.id, { record, revision: 1 }])),
    apiKey: apiKeyOf(key),
    poolId,
    platforms,
    model,
    canProxy,
  })
  return {
    ids: choice.candidates.map(({ account }) => account.id),
    platforms: choice.candidates.map(({ platform }) => platform.id),
    excluded: choice.excluded,
    message: choice.refusal?.message,
  }
}

const a: Partial<Account> = { id: 'a', platform: 'claude-console' }
const b: Partial<Account> = { id: 'b', platform: 'codex' }

describe('the candidates of a pool', () => {
  it('are the accounts of all its platforms, each with its own', () => {
    const { ids, platforms } = choose([a, b])
    expect(ids).toEqual(['a', 'b'])
    expect(platforms).toEqual(['claude-console', 'codex'])
  })

  it('are no accounts of platforms that the key may not use, or that are in another pool', () => {
    expect(choose([a, b], { platforms: [claudeConsole] })).toMatchObject({
      ids: ['a'],
      excluded: [],
    })
  })

  it('are the account alone that a field of the key for its platform names', () => {
    expect(choose([a, b], { key: { codexAccountId: 'b' } })).toMatchObject({
      ids: ['b'],
      excluded: [{ accountId: 'a', why: 'bound_elsewhere' }],
    })
    expect(choose([a, b], { key: { claudeConsoleAccountId: 'a' } }).ids).toEqual(['a'])
  })

  it('are both accounts when the key is bound to one on each platform', () => {
    const key = { claudeConsoleAccountId: 'a', codexAccountId: 'b' }
    const third = { ...a, id: 'c' }
    expect(choose([a, b, third], { key }).ids).toEqual(['a', 'b'])
  })

  it('do not depend on the binding to an account of a platform in another pool', () => {
    const key = { codexAccountId: 'elsewhere' }
    expect(choose([a], { key, platforms: [claudeConsole] }).ids).toEqual(['a'])
  })

  it('include a dedicated account only for keys that are bound to it', () => {
    const dedicated: Partial<Account> = { ...a, accountType: 'dedicated' }
    expect(choose([dedicated]).message).toMatch(/dedicated to other gateway keys/)
    expect(choose([dedicated], { key: { claudeConsoleAccountId: 'a' } }).ids).toEqual(['a'])
  })

  it('bear the model that each account is asked for', () => {
    const renaming: Partial<Account> = { ...a, supportedModels: { m: 'vendor/m' } }
    expect(choose([renaming]).ids).toEqual(['a'])
    expect(choose([renaming], { model: 'n' }).message).toMatch(/serves this model/)
  })
})

describe('a pool without candidates', () => {
  it.each<[string, Partial<Account>[], RegExp]>([
    ['no account', [], /has no claude-console account/],
    ['an account that is switched off', [{ ...a, isActive: false }], /isActive/],
    [
      'accounts of which the second is closer to serving',
      [
        { ...a, isActive: false },
        { ...b, schedulable: false },
      ],
      /schedulable/,
    ],
  ])('names what prevents it: %s', (_, accounts, message) => {
    expect(choose(accounts).message).toMatch(message)
  })

  it('says so when the key is bound to an account that does not exist', () => {
    expect(choose([], { key: { codexAccountId: 'gone' } }).message).toMatch(/does not exist/)
  })
})

describe('what requests have in common', () => {
  const searchIn = (accounts: Partial<Account>[]) => {
    const records = accounts.map((fields) => accountOf(fields))
    return {
      accounts: new Map(records.map((record) => [record.id, { record, revision: 1 }])),
      apiKey: apiKeyOf(),
      poolId,
      platforms: [claudeConsole, other],
      model: 'm',
      canProxy: true,
    } satisfies Parameters<typeof findCandidates>[0]
  }
  const ids = (search: Parameters<typeof findCandidates>[0]) =>
    findCandidates(search).candidates.map(({ account }) => account.id)

  it('is found once for each version of the pool, and apart for what differs', () => {
    const search = searchIn([a, b])
    expect(findCandidates(search).candidates).toBe(findCandidates({ ...search }).candidates)
    expect(ids({ ...search, apiKey: apiKeyOf({ codexAccountId: 'b' }) })).toEqual(['b'])
    expect(ids({ ...search, platforms: [claudeConsole] })).toEqual(['a'])
    expect(findCandidates({ ...search, model: 'n' }).candidates[0]?.upstreamModel).toBe('n')
    expect(ids(searchIn([{ ...a, isActive: false }, b]))).toEqual(['b'])
    for (let i = 0; i < 300; i++) findCandidates({ ...search, model: `invented-${i}` })
    expect(ids(search)).toEqual(['a', 'b'])
  })

  it('has the present day of each quota', () => {
    const { candidates } = findCandidates(
      searchIn([{ ...a, dailyQuota: 5, quotaResetTime: '08:00' }]),
    )
    const organisations = createOrganisations()
    const dayAt = (time: string) => {
      const nowMs = Date.parse(`2026-11-22T${time}:00Z`)
      return asCandidates(candidates, { nowMs, timeZone: 'UTC', organisations })[0]?.quotaDay
    }
    const [yesterday, today] = ['2026-11-21T08:00Z', '2026-11-22T08:00Z']
    expect(['07:58', '07:59', '08:00', '08:01', '07:59'].map(dayAt)).toEqual([
      yesterday,
      yesterday,
      today,
      today,
      yesterday,
    ])
  })
})
