import { describe, expect, it } from 'vitest'
import { type Account, AccountInput, upstreamModel } from '../../src/catalog/account.ts'
import { readHealth } from '../../src/catalog/account-health.ts'

const account = (supportedModels: unknown): Account => ({
  ...AccountInput.parse({ name: 'a', apiUrl: 'https://a.example', apiKey: 'k', supportedModels }),
  id: 'id',
  platform: 'codex',
  sealedApiKey: '',
  proxy: null,
  createdAt: '',
  updatedAt: '',
})

describe('upstreamModel', () => {
  it('is the model itself where nothing is listed', () => {
    expect(upstreamModel(account([]), 'm')).toBe('m')
    expect(upstreamModel(account({}), 'm')).toBe('m')
    expect(upstreamModel(account(undefined), 'm')).toBe('m')
  })

  it('is the model itself where it is listed, and else none', () => {
    expect(upstreamModel(account(['m', ' n ', 'm']), 'n')).toBe('n')
    expect(upstreamModel(account(['m']), 'M')).toBeUndefined()
  })

  it('is the name that a map gives it, and else none', () => {
    expect(upstreamModel(account({ m: 'vendor/m' }), 'm')).toBe('vendor/m')
    expect(upstreamModel(account({ m: 'vendor/m' }), 'vendor/m')).toBeUndefined()
  })

  it.each(['constructor', 'toString', '__proto__'])('is none for the name %s', (name) => {
    expect(upstreamModel(account({ m: 'x' }), name)).toBeUndefined()
  })
})

describe('readHealth', () => {
  const until = '1970-01-01T00:00:02.000Z'

  it('keeps a reason that holds a separator', () => {
    const record = { status: 'cooling', reason: 'a|b', until }
    const health = readHealth(['2000|1|500|a|b'], 1_000)
    expect(health).toEqual({ ...record, cooldowns: [{ models: 'all', ...record }] })
  })

  it('is recovering from the very end of the cooldown on', () => {
    expect(readHealth(['2000|1|500|x'], 1_999).status).toBe('cooling')
    expect(readHealth(['2000|1|500|x'], 2_000).status).toBe('recovering')
  })

  it('is that of the account as a whole, or else of the family that cools down longest', () => {
    const opus = {
      models: 'opus',
      status: 'recovering',
      reason: 'x',
      until: '1970-01-01T00:00:00.500Z',
    }
    const haiku = { models: 'haiku', status: 'cooling', reason: 'y', until }
    const families = readHealth([null, '500|1|1|x', null, '2000|1|1|y', null], 1_000)
    expect(families).toEqual({ status: 'cooling', reason: 'y', until, cooldowns: [opus, haiku] })
    const whole = readHealth(['600|1|1|z', null, null, '2000|1|1|y'], 1_000)
    expect(whole).toMatchObject({ status: 'recovering', reason: 'z' })
    expect(whole.cooldowns.map(({ models }) => models)).toEqual(['all', 'haiku'])
  })

  it('is healthy without a record, and with one that cannot be read', () => {
    for (const packed of [null, '', 'nonsense'])
      expect(readHealth([packed], 0)).toEqual({
        status: 'healthy',
        reason: null,
        until: null,
        cooldowns: [],
      })
  })
})
