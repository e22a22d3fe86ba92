import { scryptSync } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { packAuditEntry } from '../../src/admin/audit/entry.ts'
import { hashPassword, isOutdatedHash } from '../../src/crypto.ts'
import { replacePasswordScript } from '../../src/store/scripts/password.ts'
import { createTestGateway, read, type TestGateway, testConfig } from '../support/gateway.ts'
import { watchScrypt } from '../support/scrypt.ts'

let nowMs = Date.UTC(2026, 10, 22, 10, 20)
const first = testConfig.ADMIN_PASSWORD
const second = 'a password of another kind'

let test: TestGateway
beforeAll(() => {
  test = createTestGateway({ now: () => nowMs })
})
afterAll(() => test.close())

async function call(method: string, path: string, token = '', body?: unknown) {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const init = { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) }
  return read(await test.app.request(`/api/v2${path}`, init))
}

async function logIn(password: string): Promise<string> {
  const answer = await call('POST', '/auth/admin/login', '', { username: 'admin', password })
  expect(answer.status, answer.text).toBe(200)
  return answer.json.token
}

const me = async (token: string) => (await call('GET', '/auth/me', token)).status
const change = (token: string, currentPassword: string, newPassword: string) =>
  call('POST', '/auth/change-password', token, { currentPassword, newPassword })

describe('POST /auth/logout', () => {
  it('ends this session at once, and no other', async () => {
    const [one, other] = [await logIn(first), await logIn(first)]
    const answer = await call('POST', '/auth/logout', one)
    expect([answer.status, answer.text]).toEqual([204, ''])
    expect([await me(one), await me(other)]).toEqual([401, 200])
    const { json } = await call('POST', '/auth/logout', one)
    expect(json.error).toEqual({
      code: 'invalid_credentials',
      message: 'The session has ended; log in again',
    })
  })

  it('is remembered as long as the token would have been valid, and no longer', async () => {
    const token = await logIn(first)
    nowMs += 600_000
    await call('POST', '/auth/logout', token)
    const { jti } = JSON.parse(atob(token.split('.')[1] ?? ''))
    const key = test.gateway.keyspace.revokedToken(jti)
    expect(await test.runtime.redis.pttl(key)).toBe(3_000_000)
  })
})

describe('POST /auth/change-password', () => {
  it('refuses a wrong current password, one that stays the same and one that is short', async () => {
    const token = await logIn(first)
    const cases = [
      ['wrong password', second, 'currentPassword'],
      [first, first, 'newPassword'],
      [first, 'elevenchars', 'newPassword'],
      [first, 'x'.repeat(1001), 'newPassword'],
    ] as const
    for (const [current, next, field] of cases) {
      const { status, json } = await change(token, current, next)
      expect([status, json.error.code]).toEqual([400, 'invalid_request'])
      expect(json.error.issues).toEqual([{ field, message: expect.any(String) }])
    }
    expect(await me(token)).toBe(200)
  })

  it('ends every earlier session; the token in its answer goes on', async () => {
    const [one, other] = [await logIn(first), await logIn(first)]
    const answer = await change(one, first, second)
    expect(answer.status).toBe(200)
    expect(answer.json).toEqual({ token: expect.any(String), expiresIn: 3600 })
    expect([await me(one), await me(other), await me(answer.json.token)]).toEqual([401, 401, 200])
    const old = await call('POST', '/auth/admin/login', '', { username: 'admin', password: first })
    expect(old.status).toBe(401)
    expect(await me(await logIn(second))).toBe(200)
  })

  it('leaves an entry in the trail that holds no password and no hash', async () => {
    const token = await logIn(second)
    const { json, text } = await call('GET', '/audit?action=admin.password_changed', token)
    expect(json.data).toEqual([
      {
        id: expect.any(String),
        at: new Date(nowMs).toISOString(),
        actor: 'admin',
        action: 'admin.password_changed',
        targetId: 'admin',
        before: null,
        after: null,
      },
    ])
    for (const secret of [first, second, 'scrypt']) {
      expect(text).not.toContain(secret)
      expect(test.lines.join('\n')).not.toContain(secret)
    }
  })

  it('ends a session whose login overlapped the change, whatever the clocks say', async () => {
    const { redis } = test.runtime
    const { keyspace } = test.gateway
    const key = keyspace.admin('admin')
    const entry = packAuditEntry(test.gateway, {
      actor: 'a',
      action: 'b',
      targetId: 'c',
      before: null,
      after: null,
    })
    const replace = async (hash: string) =>
      replacePasswordScript(redis, keyspace, {
        username: 'admin',
        expectedHash: (await redis.hget<string>(key, 'passwordHash')) ?? '',
        hash,
        updatedAt: '',
        entry,
      })
    const original = (await redis.hget<string>(key, 'passwordHash')) ?? ''
    const another = await hashPassword('x')
    // The login has read the old hash, and computes only after the hash has changed.
    const { promise: changed, resolve: compute } = Promise.withResolvers<void>()
    const { derivations, restore } = watchScrypt(() => changed)
    onTestFinished(restore)
    const overlapping = logIn(second)
    await expect.poll(() => derivations.length).toBe(1)
    const revisions = [await replace(another), await replace(original)]
    compute()
    expect(await me(await overlapping)).toBe(401)
    expect(revisions[1]).toBeGreaterThan(Number(revisions[0]))
    expect(await me(await logIn(second))).toBe(200)
  })

  it('is a conflict when another change came first', async () => {
    const token = await logIn(second)
    const passwords = ['the third password', 'the fourth password']
    const answers = await Promise.all(passwords.map((next) => change(token, second, next)))
    const statuses = answers.map(({ status }) => status).toSorted()
    expect(statuses).toEqual([200, 409])
    const winner = passwords[answers.findIndex(({ status }) => status === 200)] ?? ''
    const back = await change(await logIn(winner), winner, second)
    expect(back.status).toBe(200)
  })
})

describe('a hash of an earlier time', () => {
  it('is replaced at the next login, which ends no session', async () => {
    const { redis } = test.runtime
    const key = test.gateway.keyspace.admin('admin')
    const token = await logIn(second)
    const salt = Buffer.alloc(16, 7)
    const weak = scryptSync(second, salt, 32, { N: 1024, r: 8, p: 1 })
    const stored = `scrypt$1024$8$1$${salt.toString('base64url')}$${weak.toString('base64url')}`
    await redis.hset(key, { passwordHash: stored })
    expect(isOutdatedHash(stored)).toBe(true)
    await logIn(second)
    const upgraded = (await redis.hget<string>(key, 'passwordHash')) ?? ''
    expect(upgraded).toMatch(/^scrypt\$16384\$8\$1\$/)
    expect(isOutdatedHash(upgraded)).toBe(false)
    await logIn(second)
    expect(await redis.hget(key, 'passwordHash')).toBe(upgraded)
    expect(await me(token)).toBe(200)
  })

  it('stays when the login fails', async () => {
    const key = test.gateway.keyspace.admin('admin')
    const salt = 'A'.repeat(22)
    const stored = `scrypt$1024$8$1$${salt}$${'A'.repeat(43)}`
    await test.runtime.redis.hset(key, { passwordHash: stored })
    await call('POST', '/auth/admin/login', '', { username: 'admin', password: second })
    expect(await test.runtime.redis.hget(key, 'passwordHash')).toBe(stored)
  })
})

describe('a store that was emptied', () => {
  const empty = () => test.runtime.redis.del(test.gateway.keyspace.admin('admin'))
  beforeAll(empty)

  it('knows no token of before, also when there is an administrator of that name again', async () => {
    const token = await logIn(first)
    expect(await me(token)).toBe(200)
    await empty()
    expect(await me(token)).toBe(401)
    nowMs += 1
    const fresh = await logIn(first)
    expect([await me(token), await me(fresh)]).toEqual([401, 200])
  })

  it('an administrator of an older version gets the date of his sessions at the next login', async () => {
    const { redis } = test.runtime
    const key = test.gateway.keyspace.admin('admin')
    await logIn(first)
    await redis.hdel(key, 'tokensValidAfterMs')
    const tokens = await Promise.all([logIn(first), logIn(first)])
    expect(await Promise.all(tokens.map(me))).toEqual([200, 200])
  })
})
