import { describe, expect, it } from 'vitest'
import { type Account, AccountInput, upstreamModel } from '../../src/catalog/account.ts'
import { readHealth } from '../../src/catalog/accounts.ts'

const account = (supportedModels: unknown): Account => ({
  ...AccountInput.parse({ name: 'a', apiUrl: 'https://a.example', apiKey: 'k', supportedModels }),
  id: 'id',
  platform: 'codex',
  sealedApiKey: '',
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
  it('keeps a reason that holds a separator', () => {
    const health = readHealth('2000|1|500|a|b', 1_000)
    expect(health).toEqual({ status: 'cooling', reason: 'a|b', until: '1970-01-01T00:00:02.000Z' })
  })

  it('is recovering from the very end of the cooldown on', () => {
    expect(readHealth('2000|1|500|x', 1_999).status).toBe('cooling')
    expect(readHealth('2000|1|500|x', 2_000).status).toBe('recovering')
  })

  it('is healthy without a record, and with one that cannot be read', () => {
    for (const packed of [null, '', 'nonsense']) {
      expect(readHealth(packed, 0)).toEqual({ status: 'healthy', reason: null, until: null })
    }
  })
})
