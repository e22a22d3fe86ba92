import { decodeJwt, SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { ensureAdmin } from '../../src/admin/session/ensure-admin.ts'
import { ConfigError } from '../../src/config.ts'
import { verifyPassword } from '../../src/crypto.ts'
import type { Actor } from '../../src/domain/actor.ts'
import {
  adminToken,
  createTestGateway,
  read,
  type TestGateway,
  testConfig,
} from '../support/gateway.ts'
import { watchScrypt } from '../support/scrypt.ts'

let nowMs = Date.UTC(2026, 10, 22, 10, 20)
const now = () => nowMs
const actor: Actor = { kind: 'system', name: 'test' }
const password = testConfig.ADMIN_PASSWORD

async function login({ app }: Pick<TestGateway, 'app'>, body: unknown) {
  const headers = { 'content-type': 'application/json' }
  const init = { method: 'POST', headers, body: JSON.stringify(body) }
  return read(await app.request('/api/v2/auth/admin/login', init))
}

async function me({ app }: Pick<TestGateway, 'app'>, authorization?: string) {
  const headers = authorization === undefined ? {} : { authorization }
  return read(await app.request('/api/v2/auth/me', { headers }))
}

describe('POST /auth/admin/login', () => {
  let test: TestGateway
  beforeAll(() => {
    test = createTestGateway({ now })
  })
  afterAll(() => test.close())

  it('seeds the administrator from ADMIN_PASSWORD when the store has none', async () => {
    const key = test.gateway.keyspace.admin('admin')
    expect(await test.runtime.redis.exists(key)).toBe(0)
    expect((await login(test, { username: 'admin', password })).status).toBe(200)
    const [hash, createdAt, updatedAt] = (await test.runtime.redis.hmget(
      key,
      'passwordHash',
      'createdAt',
      'updatedAt',
    )) as unknown as string[]
    expect(await verifyPassword(password, hash ?? '')).toBe(true)
    expect([createdAt, updatedAt]).toEqual(['2026-11-22T10:20:00.000Z', '2026-11-22T10:20:00.000Z'])
  })

  it('answers with a token for one hour, and nothing else', async () => {
    const { status, json } = await login(test, { username: 'admin', password })
    expect(status).toBe(200)
    expect(json).toEqual({ token: expect.any(String), expiresIn: 3600 })
    expect(decodeJwt(json.token)).toEqual({
      iss: 'claude-relay-service',
      aud: 'claude-relay-service:admin',
      sub: 'admin',
      jti: expect.stringMatching(/^[0-9a-f-]{36}$/),
      since: nowMs,
      iat: nowMs / 1000,
      exp: nowMs / 1000 + 3600,
    })
    expect((await me(test, `Bearer ${json.token}`)).json).toEqual({ username: 'admin' })
  })

  it('answers a wrong password and an unknown user alike', async () => {
    const wrong = await login(test, { username: 'admin', password: 'wrong password' })
    const unknown = await login(test, { username: 'nobody', password })
    expect(wrong.status).toBe(401)
    expect(wrong.json).toEqual({
      error: { code: 'invalid_credentials', message: 'The username or the password is wrong' },
    })
    expect([unknown.status, unknown.text]).toEqual([wrong.status, wrong.text])
  })

  it('computes as much for an unknown user as for a wrong password, so its time tells nothing', async () => {
    const { derivations, restore } = watchScrypt()
    onTestFinished(restore)
    for (const username of ['nobody', 'admin']) {
      await login(test, { username, password: 'wrong password' })
    }
    expect(derivations).toHaveLength(2)
    expect(derivations[0]).toEqual(derivations[1])
  })

  it.each([
    '__proto__',
    'constructor',
    'toString',
    'a:b',
    '*',
    '\u0000',
    '\ud800',
    'ä'.repeat(100),
  ])('knows no user called %j', async (username) => {
    expect((await login(test, { username, password })).status).toBe(401)
  })

  it('ignores a changed ADMIN_PASSWORD once the administrator exists', async () => {
    // Half an hour on, no earlier failure makes this one wait.
    nowMs += 30 * 60_000
    const config = { ADMIN_PASSWORD: 'another password' }
    const later = createTestGateway({ engine: test.engine, config, now })
    const { status } = await login(later, { username: 'admin', password: 'another password' })
    expect(status).toBe(401)
    nowMs += 30 * 60_000
    expect((await login(later, { username: 'admin', password })).status).toBe(200)
    await later.close()
  })

  it('never logs a password, nor the name that a failed login gave', () => {
    const log = test.lines.join('\n')
    expect(test.logged('admin_login').length).toBeGreaterThan(0)
    expect(log).not.toContain(password)
    expect(log).not.toContain('wrong password')
    expect(log).not.toContain('nobody')
  })

  it('refuses every login when there is neither an administrator nor ADMIN_PASSWORD', async () => {
    const bare = createTestGateway({ config: { ADMIN_PASSWORD: '' } })
    expect((await login(bare, { username: 'admin', password })).status).toBe(401)
    await expect(ensureAdmin(bare.gateway, { actor })).rejects.toThrow(ConfigError)
    await expect(ensureAdmin(bare.gateway, { actor })).rejects.toThrow('ADMIN_PASSWORD')
    await bare.close()
  })
})

describe('ensureAdmin', () => {
  it('creates the administrator once, even when several ask at the same time', async () => {
    const test = createTestGateway({ config: { ADMIN_USERNAME: 'root' } })
    const passwords = ['first password', 'second password', 'third password']
    const outcomes = await Promise.all(
      passwords.map((text) => ensureAdmin(test.gateway, { actor, password: text })),
    )
    expect(outcomes.toSorted()).toEqual(['created', 'exists', 'exists'])
    expect(await ensureAdmin(test.gateway, { actor, password: 'fourth password' })).toBe('exists')
    const winner = passwords[outcomes.indexOf('created')]
    expect((await login(test, { username: 'root', password: winner })).status).toBe(200)
    expect((await login(test, { username: 'root', password: 'fourth password' })).status).toBe(401)
    expect((await login(test, { username: 'admin', password: winner })).status).toBe(401)
    await test.close()
  })
})

describe('a session', () => {
  let test: TestGateway
  beforeAll(() => {
    test = createTestGateway({ now })
  })
  afterAll(() => test.close())

  const secret = new TextEncoder().encode(testConfig.JWT_SECRET)
  const forge = (change: (token: SignJWT) => SignJWT = (token) => token, alg = 'HS256') =>
    change(
      new SignJWT({ since: 0 })
        .setProtectedHeader({ alg })
        .setJti('019ac000-0000-4000-8000-000000000000')
        .setIssuer('claude-relay-service')
        .setAudience('claude-relay-service:admin')
        .setSubject('admin')
        .setIssuedAt(Math.floor(nowMs / 1000))
        .setExpirationTime(Math.floor(nowMs / 1000) + 60),
    )

  it('is demanded by every route but the login', async () => {
    const id = '019ac000-0000-7000-8000-000000000000'
    const routes = [
      'GET /auth/me',
      'POST /auth/logout',
      'POST /auth/change-password',
      'GET /audit',
      'GET /auth/admin/login',
      'POST /keys',
      'GET /keys',
      `GET /keys/${id}`,
      `DELETE /keys/${id}`,
      `GET /keys/${id}/stats`,
      'POST /accounts/codex',
      'GET /accounts/codex',
      `GET /accounts/codex/${id}`,
      `DELETE /accounts/codex/${id}`,
      'GET /nothing',
    ]
    for (const route of routes) {
      const [method = '', path] = route.split(' ')
      const { status, json, headers } = await read(
        await test.app.request(`/api/v2${path}`, { method }),
      )
      expect([route, status]).toEqual([route, 401])
      expect(json.error.code).toBe('invalid_credentials')
      expect(json.error.message).toMatch(/Log in first/)
      expect(headers.get('www-authenticate')).toBe('Bearer')
    }
  })

  it('is told apart as missing, expired and not valid', async () => {
    const token = await adminToken(test.runtime, 'admin')
    const message = async (authorization?: string) =>
      (await me(test, authorization)).json.error.message
    expect(await message()).toMatch(/^Log in first/)
    expect(await message('Basic YWRtaW46YWRtaW4=')).toMatch(/^Log in first/)
    expect(await message('Bearer nonsense')).toMatch(/^The token is not valid/)
    nowMs += 3_600_000
    expect(await message(`Bearer ${token}`)).toMatch(/^The session has expired/)
  })

  it('ends on the second', async () => {
    const token = await adminToken(test.runtime, 'admin')
    nowMs += 3_599_000
    expect((await me(test, `Bearer ${token}`)).status).toBe(200)
    nowMs += 1_000
    expect((await me(test, `Bearer ${token}`)).status).toBe(401)
  })

  it('forged with the right secret and every claim in place would stand', async () => {
    expect((await me(test, `Bearer ${await forge().sign(secret)}`)).status).toBe(200)
  })

  it.each<[string, () => Promise<string>]>([
    ['an empty id', () => forge((token) => token.setJti('')).sign(secret)],
    ['another secret', () => forge().sign(new TextEncoder().encode('x'.repeat(32)))],
    ['another issuer', () => forge((token) => token.setIssuer('someone')).sign(secret)],
    ['another audience', () => forge((token) => token.setAudience('someone')).sign(secret)],
    ['an empty subject', () => forge((token) => token.setSubject('')).sign(secret)],
    [
      'no expiry',
      () =>
        new SignJWT({ sub: 'admin', iat: 0, jti: 'x', since: 0 })
          .setProtectedHeader({ alg: 'HS256' })
          .setIssuer('claude-relay-service')
          .setAudience('claude-relay-service:admin')
          .sign(secret),
    ],
    ['another algorithm', () => forge(undefined, 'HS512').sign(secret)],
    [
      'no signature',
      async () => {
        const [, payload] = (await forge().sign(secret)).split('.')
        return `${btoa('{"alg":"none"}').replaceAll('=', '')}.${payload}.`
      },
    ],
  ])('with %s is refused', async (_, make) => {
    const { status, json } = await me(test, `Bearer ${await make()}`)
    expect(status).toBe(401)
    expect(json.error.message).toMatch(/^The token is not valid/)
  })
})
