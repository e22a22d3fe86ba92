import { scryptSync } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  createApiKey,
  createSealer,
  digestApiKey,
  generatePassword,
  hashPassword,
  keyPreview,
  SealError,
  verifyPassword,
} from '../src/crypto.ts'
import { watchScrypt } from './support/scrypt.ts'

describe('API keys', () => {
  it('are the prefix and 32 letters and digits', () => {
    expect(createApiKey('cr_')).toMatch(/^cr_[0-9A-Za-z]{32}$/)
  })

  it('never repeat and use the whole alphabet', () => {
    const keys = Array.from({ length: 500 }, () => createApiKey(''))
    expect(new Set(keys).size).toBe(500)
    expect(new Set(keys.join('')).size).toBe(62)
  })

  it('are found by their SHA-256', () => {
    expect(digestApiKey('abc')).toBe(
      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    )
  })

  it.each([
    ['cr_0123456789abcdefghijklmnopqrab12', 'cr_…ab12'],
    ['team_0123456789_abcdefghijklmnop', 'team_…mnop'],
    ['0123456789abcdefghijklmnop', '…mnop'],
    ['cr_short', 'cr_…'],
    ['', '…'],
  ])('are shown as prefix and last four characters: %s', (plain, preview) => {
    expect(keyPreview(plain)).toBe(preview)
  })
})

describe('a sealer', () => {
  const key = (fill: number) => new Uint8Array(32).fill(fill)
  const sealer = createSealer(key(1))

  const thrownBy = (work: () => unknown): unknown => {
    try {
      return work()
    } catch (error) {
      return error
    }
  }

  it('gives back what it sealed, for the same context', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string(), (plain, context) => {
        expect(sealer.unseal(sealer.seal(plain, context), context)).toBe(plain)
      }),
    )
  })

  it('writes the documented form and never the same text twice', async () => {
    const sealed = sealer.seal('sk-secret', 'account')
    expect(sealed).toMatch(/^v1\.[0-9a-f]{8}\.[\w-]{16}\.[\w-]+$/)
    expect(sealed).toContain(`.${sealer.keyId}.`)
    expect(sealer.seal('sk-secret', 'account')).not.toBe(sealed)
  })

  it('identifies its key by the first digits of the key digest', () => {
    expect(sealer.keyId).toBe('72cd6e84')
    expect(createSealer(key(2)).keyId).not.toBe(sealer.keyId)
  })

  it('keeps a key of its own', async () => {
    const bytes = key(3)
    const own = createSealer(bytes)
    bytes.fill(0)
    expect(createSealer(key(3)).unseal(own.seal('x', 'c'), 'c')).toBe('x')
  })

  it('says which key a text was sealed with, if with another', async () => {
    const other = createSealer(key(2))
    const sealed = other.seal('sk-secret', 'account')
    const error = thrownBy(() => sealer.unseal(sealed, 'account'))
    expect(error).toMatchObject({ name: 'SealError', reason: 'another_key' })
    expect(String(error)).toContain(
      `sealed with key ${other.keyId}, but ENCRYPTION_KEY is key ${sealer.keyId}`,
    )
  })

  it('refuses a text that was moved to another record', async () => {
    const sealed = sealer.seal('sk-secret', 'account-1')
    const error = thrownBy(() => sealer.unseal(sealed, 'account-2'))
    expect(error).toMatchObject({ reason: 'damaged' })
    expect(String(error)).toContain('altered, or moved from another record')
  })

  it('refuses a text with any character changed', async () => {
    const sealed = sealer.seal('sk-secret', 'account')
    for (let at = 0; at < sealed.length - 1; at++) {
      const changed = sealed.slice(0, at) + (sealed[at] === 'A' ? 'B' : 'A') + sealed.slice(at + 1)
      expect(thrownBy(() => sealer.unseal(changed, 'account'))).toBeInstanceOf(SealError)
    }
  })

  it.each(['', 'sk-secret', 'v2.00000000.AAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAA', 'v1...'])(
    'refuses "%s" and does not repeat it',
    async (text) => {
      const error = thrownBy(() => sealer.unseal(text, 'account'))
      expect(error).toMatchObject({ reason: 'damaged' })
      expect(String(error)).toBe(
        'SealError: A stored secret cannot be unsealed: it is not in the sealed form',
      )
    },
  )
})

describe('passwords', () => {
  it('are stored with parameters and salt, and verified by them', async () => {
    const stored = await hashPassword('correct horse')
    expect(stored).toMatch(/^scrypt\$16384\$8\$1\$[\w-]{22}\$[\w-]{43}$/)
    expect(await verifyPassword('correct horse', stored)).toBe(true)
    expect(await verifyPassword('correct horsf', stored)).toBe(false)
    expect(await hashPassword('correct horse')).not.toBe(stored)
  })

  it('match in composed and in decomposed characters', async () => {
    expect(await verifyPassword('cafe\u0301', await hashPassword('caf\u00e9'))).toBe(true)
  })

  const stored = (N: number, r: number, p: number) => {
    const salt = new Uint8Array(16).fill(7)
    const hash = scryptSync('pass', salt, 32, { N, r, p, maxmem: 2 ** 28 })
    const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url')
    return `scrypt$${N}$${r}$${p}$${text(salt)}$${text(hash)}`
  }

  it('hashed with other parameters still match', async () => {
    expect(await verifyPassword('pass', stored(1024, 8, 2))).toBe(true)
    expect(await verifyPassword('pass', stored(32_768, 8, 1))).toBe(true)
  })

  it('are refused if the stored parameters are out of bounds', async () => {
    const good = stored(1024, 8, 1)
    for (const cost of ['512$8$1', '1025$8$1', '1048576$8$1', '1024$0$1', '1024$8$9', '0$0$0']) {
      expect(await verifyPassword('pass', good.replace('1024$8$1', cost))).toBe(false)
    }
  })

  it.each(['', 'pass', 'scrypt$1024$8$1$$', 'bcrypt$1024$8$1$AAAA$AAAA'])(
    'never match the malformed text "%s"',
    async (text) => expect(await verifyPassword('pass', text)).toBe(false),
  )

  it('that are generated have 24 characters nobody confuses', () => {
    const passwords = Array.from({ length: 200 }, generatePassword)
    expect(new Set(passwords).size).toBe(200)
    for (const password of passwords) expect(password).toMatch(/^[2-9A-HJ-NP-Za-km-z]{24}$/)
  })
})

describe('passwords of many logins at once', () => {
  it('are derived two at a time, and more than two hundred that wait are refused', async () => {
    const running: (() => void)[] = []
    const { derivations, restore } = watchScrypt(() => new Promise((go) => running.push(go)))
    try {
      const hashes = Array.from({ length: 203 }, () => hashPassword('p').catch((error) => error))
      expect(await hashes[202]).toMatchObject({ code: 'gateway_busy', retryAfterSeconds: 5 })
      expect(derivations).toHaveLength(2)
      running.shift()?.()
      expect(await hashes[0]).toMatch(/^scrypt/)
      await expect.poll(() => derivations.length).toBe(3)
    } finally {
      restore()
      for (const go of running) go()
    }
  })
})
