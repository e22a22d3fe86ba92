/** The addresses that people write for a gateway, and what the wrong ones are told. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestAdmin, createTestGateway, type TestGateway } from '../support/gateway.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

let gateway: TestGateway
let upstream: Upstream
let key: string
beforeAll(async () => {
  upstream = await startUpstream()
  gateway = createTestGateway()
  const admin = createTestAdmin(gateway)
  await admin.createAccount({ apiUrl: upstream.url })
  key = (await admin.createKey()).key
})
afterAll(async () => {
  await gateway.close()
  await upstream.close()
})

async function ask(path: string, method = 'POST') {
  const url = `http://gateway.example${path}`
  const headers = { 'x-api-key': key, 'content-type': 'application/json' }
  const body = JSON.stringify({ model: 'claude-sonnet-4-5', max_tokens: 8, messages: [] })
  const init = { method, headers, ...(method === 'POST' && { body }) }
  const response = await gateway.app.fetch(new Request(url, init))
  const text = await response.text()
  return { status: response.status, headers: response.headers, text }
}

const bases = [
  '',
  '/',
  '/api',
  '/api/',
  '/v1',
  '/v1/',
  '/api/v1',
  '/claude',
  '/claude/',
  '/anthropic',
  '/api/claude',
  '/api/anthropic/',
  '/claude/v1',
  '/claude/api',
  '//',
]

describe('a base URL', () => {
  it.each(bases)('that ends in "%s" reaches the relay', async (base) => {
    const { status, text } = await ask(`${base}/v1/messages?beta=true`)
    expect([status, JSON.parse(text).type]).toEqual([200, 'message'])
    expect(upstream.requests.at(-1)?.path).toBe('/v1/messages?beta=true')
  })

  it.each(['', '/api', '/v1', '/claude'])(
    'that is "%s" reaches the usage of a key',
    async (base) => {
      const { status, text } = await ask(`${base}/api/oauth/usage`, 'GET')
      expect(status, text).toBe(200)
      expect(JSON.parse(text)).toHaveProperty('extra_usage')
    },
  )

  it.each(['/v1/messages/', '/v1//messages', '/api/v1/messages//'])(
    'may be joined with slashes too many: %s',
    async (path) => {
      expect((await ask(path)).status).toBe(200)
    },
  )

  it.each(['', '/', '/api', '/claude', '/claude/', '//api/hello', '/claude/api/hello'])(
    'answers a client that only looks whether it is there: %s',
    async (base) => {
      expect((await ask(base, 'HEAD')).status).toBe(200)
    },
  )

  it.each(['/messages', '/api/messages', '/V1/Messages', '/claude/messages/'])(
    'that is none of these is told the right one: %s',
    async (path) => {
      const { status, text } = await ask(path)
      expect(status).toBe(404)
      expect(JSON.parse(text).error).toEqual({
        type: 'not_found_error',
        message: expect.stringMatching(
          /^No route .*; the relay is at \/v1\/messages and \/api\/v1\/messages$/,
        ),
      })
    },
  )

  it('below the name of a vendor that does not serve it is told the right one', async () => {
    const { status, text } = await ask('/openai/v1/messages')
    expect(status).toBe(404)
    expect(JSON.parse(text).error).toMatchObject({
      code: 'not_found',
      message: expect.stringContaining('the relay is at /v1/messages and /api/v1/messages'),
    })
  })

  it.each([
    '/unknown',
    '/v1/messages/unknown',
    '/api/v1/nothing',
    `/${'api/'.repeat(5)}v1/unknown`,
    `/${'v1/'.repeat(2_000)}messages`,
  ])('never reaches the relay with another path (%#)', async (path) => {
    expect((await ask(path)).status).toBe(404)
  })

  it.each(['//api/v2/keys', '/api//v2/keys', '/claude/api/v2/keys', '/api/v2/keys/'])(
    'does not lead to the administration: %s',
    async (path) => {
      expect([401, 404]).toContain((await ask(path, 'GET')).status)
    },
  )
})

describe('a wrong method', () => {
  it.each([
    ['GET', '/v1/messages', 'POST'],
    ['DELETE', '/claude/v1/messages/', 'POST'],
    ['POST', '/health', 'GET, HEAD'],
    ['PUT', '/docs', 'GET, HEAD'],
    ['GET', '/api/v2/auth/admin/login', 'POST'],
  ])('%s %s is 405 and names %s', async (method, path, allow) => {
    const { headers, status } = await ask(path, method)
    const isAdmin = path.startsWith('/api/v2')
    expect([status, isAdmin ? allow : headers.get('allow')]).toEqual([isAdmin ? 401 : 405, allow])
  })

  it('is 405 in the administration for those who are logged in', async () => {
    const admin = createTestAdmin(gateway)
    const { status, headers, json } = await admin.call('PATCH', '/keys/some-id')
    expect([status, headers.get('allow'), json.error.code]).toEqual([
      405,
      'DELETE, GET, HEAD, PUT',
      'method_not_allowed',
    ])
    expect((await admin.call('PATCH', '/unknown')).status).toBe(404)
  })
})

describe('a browser', () => {
  it('finds the documentation with a slash at the end', async () => {
    const { status, headers } = await ask('/docs/', 'GET')
    expect([status, headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8'])
    expect(headers.get('content-security-policy')).toContain("script-src 'self'")
  })

  it('gets no error for the icon that it asks for', async () => {
    const { status, text } = await ask('/favicon.ico', 'GET')
    expect([status, text]).toEqual([204, ''])
  })
})

describe('an apiUrl that is refused', () => {
  it.each(['http://127.0.0.1:8080', 'https://10.0.0.1', 'http://api.example.com'])(
    'as private names the setting that would allow it: %s',
    async (apiUrl) => {
      const strict = createTestGateway({ config: { ALLOW_PRIVATE_UPSTREAMS: 'false' } })
      const body = { name: 'a', apiUrl, apiKey: 'sk-ant-x' }
      const { status, json } = await createTestAdmin(strict).call(
        'POST',
        '/accounts/claude-console',
        body,
      )
      expect([status, json.error.issues[0].field]).toEqual([400, 'apiUrl'])
      expect(json.error.issues[0].message).toContain('ALLOW_PRIVATE_UPSTREAMS')
      await strict.close()
    },
  )

  it('for another reason does not', async () => {
    const strict = createTestGateway({ config: { ALLOW_PRIVATE_UPSTREAMS: 'false' } })
    const body = { name: 'a', apiUrl: 'https://u:p@api.example.com', apiKey: 'sk-ant-x' }
    const { json } = await createTestAdmin(strict).call('POST', '/accounts/claude-console', body)
    expect(json.error.issues[0].message).not.toContain('ALLOW_PRIVATE_UPSTREAMS')
    await strict.close()
  })
})
