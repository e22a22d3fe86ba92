import { describe, expect, it } from 'vitest'
import { type Account, AccountInput } from '../../src/catalog/account.ts'
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

describe('readHealth', () => {
  const until = '1970-01-01T00:00:02.000Z'

  it('keeps a reason that holds a separator', () => {
    const record = { status: 'cooling', reason: 'a|b', until }
    const health = readHealth(account([]), [['all', '2000|1|500|a|b']], 1_000)
    expect(health).toEqual({ ...record, cooldowns: [{ models: 'all', ...record }] })
  })

  it('is recovering from the very end of the cooldown on', () => {
    expect(readHealth(account([]), [['all', '2000|1|500|x']], 1_999).status).toBe('cooling')
    expect(readHealth(account([]), [['all', '2000|1|500|x']], 2_000).status).toBe('recovering')
  })

  it('is that of the account as a whole, or else of the family that cools down longest', () => {
    const opus = {
      models: 'opus',
      status: 'recovering',
      reason: 'x',
      until: '1970-01-01T00:00:00.500Z',
    }
    const haiku = { models: 'haiku', status: 'cooling', reason: 'y', until }
    const rows: [string, string][] = [
      ['opus', '500|1|1|x'],
      ['haiku', '2000|1|1|y'],
    ]
    const families = readHealth(account([]), rows, 1_000)
    expect(families).toEqual({ status: 'cooling', reason: 'y', until, cooldowns: [haiku, opus] })
    const whole = readHealth(account([]), [...rows, ['all', '600|1|1|z']], 1_000)
    expect(whole).toMatchObject({ status: 'recovering', reason: 'z' })
    expect(whole.cooldowns.map(({ models }) => models)).toEqual(['all', 'haiku', 'opus'])
  })

  it('is healthy without a record, and with one that cannot be read', () => {
    for (const records of [[], [['all', '']], [['all', 'nonsense']]] as [string, string][][])
      expect(readHealth(account([]), records, 0)).toEqual({
        status: 'healthy',
        reason: null,
        until: null,
        cooldowns: [],
      })
  })
})
