import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createApp } from '../../src/app.ts'
import { createTestAdmin, createTestGateway, read, type TestGateway } from '../support/gateway.ts'
import { anthropicJson, startUpstream, type Upstream } from '../support/upstream.ts'

let test: TestGateway
let upstream: Upstream
beforeAll(async () => {
  test = createTestGateway({ config: { CORS_ORIGINS: 'https://a.example, http://localhost:5173' } })
  upstream = await startUpstream()
})
afterAll(async () => {
  await test.close()
  await upstream.close()
})

const ask = async (path: string, init?: RequestInit) => read(await test.app.request(path, init))
const securityNames = [
  'content-security-policy',
  'x-content-type-options',
  'x-frame-options',
  'referrer-policy',
  'strict-transport-security',
]
const policyOf = (headers: Headers) => headers.get('content-security-policy')

describe("the gateway's own answers", () => {
  it.each([
    ['/', 200],
    ['/api/hello', 200],
    ['/health', 200],
    ['/openapi.json', 200],
    ['/nothing', 404],
    ['/api/v2/nothing', 401],
    ['/api/v2/auth/me', 401],
  ])('%s may neither run, load nor be framed', async (path, status) => {
    const answer = await ask(path)
    expect(answer.status).toBe(status)
    expect(policyOf(answer.headers)).toBe("default-src 'none'; frame-ancestors 'none'")
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
    expect(answer.headers.get('x-frame-options')).toBe('DENY')
    expect(answer.headers.get('referrer-policy')).toBe('no-referrer')
  })

  it('set no cookie, and those of the administration are not kept', async () => {
    const admin = createTestAdmin(test)
    const answers = [
      await admin.call('GET', '/auth/me'),
      await admin.call('GET', '/keys'),
      await admin.call('POST', '/keys', {}),
      await admin.call('POST', '/auth/logout'),
      await ask('/api/v2/auth/me'),
      await ask('/api/v2/auth/admin/login', { method: 'POST' }),
    ]
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 400, 204, 401, 400])
    for (const { headers } of answers) {
      expect(headers.get('cache-control')).toBe('no-store')
      expect(headers.has('set-cookie')).toBe(false)
    }
  })

  it('challenge with every 401', async () => {
    const credentials = { username: 'nobody', password: 'wrong' }
    const headers = { 'content-type': 'application/json' }
    const init = { method: 'POST', headers, body: JSON.stringify(credentials) }
    for (const answer of [await ask('/api/v2/keys'), await ask('/api/v2/auth/admin/login', init)]) {
      expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([401, 'Bearer'])
    }
  })
})

describe('answers of the relay', () => {
  it('get no header of all this, nor any for another origin', async () => {
    const admin = createTestAdmin(test)
    await admin.createAccount({ apiUrl: upstream.url, apiKey: 'sk-ant-a' })
    upstream.behave('sk-ant-a', anthropicJson())
    const { key } = await admin.createKey()
    const body = JSON.stringify({ model: 'claude-sonnet-4-6', max_tokens: 1, messages: [] })
    const send = (apiKey: string) =>
      ask('/api/v1/messages', {
        method: 'POST',
        headers: {
          'x-api-key': apiKey,
          'content-type': 'application/json',
          origin: 'https://a.example',
        },
        body,
      })
    const answers = [await send(key), await send('cr_unknown')]
    expect(answers.map(({ status }) => status)).toEqual([200, 401])
    for (const { headers } of answers) {
      for (const name of [
        ...securityNames,
        'access-control-allow-origin',
        'vary',
        'www-authenticate',
      ])
        expect([name, headers.get(name)]).toEqual([name, null])
      expect(headers.has('set-cookie')).toBe(false)
    }
  })
})

describe('another origin', () => {
  const origin = 'https://a.example'
  const preflight = (path: string, from: string) =>
    ask(path, {
      method: 'OPTIONS',
      headers: {
        origin: from,
        'access-control-request-method': 'DELETE',
        'access-control-request-headers': 'authorization',
      },
    })
  const allowed = ({ headers }: { headers: Headers }) => headers.get('access-control-allow-origin')

  it('on the list may call the administration, and read its refusals', async () => {
    const answer = await preflight('/api/v2/keys', origin)
    expect([answer.status, allowed(answer)]).toEqual([204, origin])
    expect(answer.headers.get('access-control-allow-headers')).toContain('authorization')
    expect(answer.headers.get('access-control-allow-methods')).toContain('DELETE')
    const refused = await ask('/api/v2/keys', { headers: { origin } })
    expect([refused.status, allowed(refused)]).toEqual([401, origin])
    expect(refused.headers.get('access-control-expose-headers')).toContain('retry-after')
    expect(allowed(await ask('/health', { headers: { origin } }))).toBe(origin)
    expect(allowed(await preflight('/api/v2/keys', 'http://localhost:5173'))).not.toBeNull()
  })

  it('is never allowed to send cookies', async () => {
    const answer = await preflight('/api/v2/keys', origin)
    expect(answer.headers.has('access-control-allow-credentials')).toBe(false)
  })

  it.each(['https://b.example', 'https://a.example.b.example', 'null', 'http://a.example'])(
    '%s is not allowed',
    async (from) => {
      expect(allowed(await preflight('/api/v2/keys', from))).toBeNull()
      expect(allowed(await ask('/health', { headers: { origin: from } }))).toBeNull()
    },
  )

  it('may read nothing else', async () => {
    for (const path of ['/api/v1/messages', '/docs', '/openapi.json', '/']) {
      expect([path, allowed(await preflight(path, origin))]).toEqual([path, null])
    }
  })

  it('may read that the gateway is starting, with the headers of every other answer', async () => {
    const starting = createApp(test.gateway, { isReady: () => false })
    const ask = (app: typeof starting, path: string, method: string) =>
      app.request(path, { method, headers: { origin } })
    for (const [path, method] of [
      ['/api/v2/keys', 'GET'],
      ['/api/v2/auth/admin/login', 'POST'],
      ['/health', 'GET'],
    ] as const) {
      const early = await ask(starting, path, method)
      const later = await ask(test.app, path, method)
      expect([path, early.status]).toEqual([path, 503])
      const changing = ['x-request-id', 'content-type', 'retry-after', 'www-authenticate']
      const names = [...later.headers.keys()].filter((name) => !changing.includes(name))
      expect(names.length).toBeGreaterThan(3)
      for (const name of names) {
        expect([path, name, early.headers.get(name)]).toEqual([path, name, later.headers.get(name)])
      }
    }
    const preflighted = await starting.request('/api/v2/keys', {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'GET' },
    })
    expect(preflighted.status).toBe(204)
  })

  it('is allowed nothing unless CORS_ORIGINS is set', async () => {
    const bare = createTestGateway()
    for (const path of ['/health', '/api/v2/keys']) {
      const answer = await read(await bare.app.request(path, { headers: { origin } }))
      expect(allowed(answer)).toBeNull()
    }
    await bare.close()
  })

  it.each([
    '*',
    'a.example',
    'https://a.example/',
    'https://a.example/x',
    'https://A.example',
    'x,',
  ])('cannot be given as %s', (CORS_ORIGINS) => {
    expect(() => createTestGateway({ config: { CORS_ORIGINS } })).toThrow('CORS_ORIGINS')
  })
})
