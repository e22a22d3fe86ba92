import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type Answer,
  adminToken,
  createTestAdmin,
  createTestGateway,
  read,
  type TestGateway,
  testConfig,
} from '../support/gateway.ts'
import { runs } from '../support/property.ts'

let test: TestGateway
beforeAll(() => {
  test = createTestGateway()
})
afterAll(() => test.close())

const posts = ['/auth/admin/login', '/keys', '/accounts/claude-console', '/accounts/codex']

/** Sends a body as it is, by a caller who is logged in. */
async function post(path: string, body: string | null, type?: string): Promise<Answer> {
  const headers = new Headers({
    authorization: `Bearer ${await adminToken(test.runtime, 'admin')}`,
  })
  if (type !== undefined) headers.set('content-type', type)
  // As bytes a body gets no content-type of its own.
  const bytes = body === null ? null : new TextEncoder().encode(body)
  const init = { method: 'POST', headers, body: bytes }
  return read(await test.app.request(`/api/v2${path}`, init))
}

const refusal = ({ status, json }: Answer) => [status, json.error.code]
const json = 'application/json'

describe.each(posts)('POST %s', (path) => {
  it('refuses a missing or blank body with a clear sentence', async () => {
    const bodies: [string | null, string?][] = [[null], [null, json], ['', json], [' \n', json]]
    for (const [body, type] of bodies) {
      const answer = await post(path, body, type)
      expect(refusal(answer)).toEqual([400, 'invalid_request'])
      expect(answer.json.error.message).toMatch(/needs a JSON object/)
    }
  })

  it.each([
    undefined,
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/jsonp',
    'application/ld+json',
    'application/json, text/plain',
    'text/plain; application/json',
  ])('refuses a body of content-type %s, whatever it holds', async (type) => {
    const valid = { name: 'n', apiUrl: 'https://example.com', apiKey: 'sk-x' }
    for (const body of [JSON.stringify(valid), 'name=n', '{']) {
      expect(refusal(await post(path, body, type))).toEqual([415, 'unsupported_media_type'])
    }
  })

  it.each(['{', '{"name":"n"', 'undefined', "{'a':1}", '{"a":1}{}', '[1,]', '\u0000', 'NaN'])(
    'refuses %j, which is not JSON',
    async (body) => {
      expect(refusal(await post(path, body, json))).toEqual([400, 'invalid_json'])
    },
  )

  it.each(['null', '[]', '[{}]', '1', '"text"', 'true'])('refuses %s for a body', async (body) => {
    const answer = await post(path, body, 'Application/JSON; charset=utf-8')
    expect(refusal(answer)).toEqual([400, 'invalid_request'])
    expect(answer.json.error.issues).toEqual([{ field: 'body', message: expect.any(String) }])
  })

  it.each(['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', '', 'a.b'])(
    'refuses the unknown field "%s" by name',
    async (field) => {
      const answer = await post(path, `{${JSON.stringify(field)}:{"isActive":true}}`, json)
      expect(refusal(answer)).toEqual([400, 'invalid_request'])
      expect(answer.json.error.issues).toContainEqual({ field, message: 'Unknown field' })
    },
  )

  it('answers shortly to a body that is huge, deep or wrong in very many ways', async () => {
    const deep = '['.repeat(200_000) + ']'.repeat(200_000)
    const many = Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`field ${i}`, i]))
    const huge = 'x'.repeat(240_000)
    const bodies = [
      deep,
      `{"name":${deep}}`,
      JSON.stringify(many),
      JSON.stringify({ [huge]: 1 }),
      JSON.stringify({ name: huge, username: huge, password: huge, apiKey: huge }),
    ]
    for (const body of bodies) {
      const answer = await post(path, body, json)
      expect(answer.status).toBe(400)
      expect(answer.text.length).toBeLessThan(8_000)
    }
  })

  it('refuses more than a megabyte with 413', async () => {
    const body = JSON.stringify({ name: 'x'.repeat(1024 * 1024) })
    expect(refusal(await post(path, body, json))).toEqual([413, 'body_too_large'])
  })
})

describe('an arbitrary body', () => {
  const names = ['name', 'tags', 'expiresAt', 'apiUrl', 'apiKey', 'supportedModels', '__proto__']
  const hostile = fc.oneof(
    fc.jsonValue(),
    fc.dictionary(
      fc.oneof(fc.constantFrom(...names, 'username', 'password'), fc.string()),
      fc.jsonValue(),
    ),
    fc.record({
      name: fc.string(),
      apiUrl: fc.oneof(fc.webUrl(), fc.string()),
      apiKey: fc.string(),
      supportedModels: fc.oneof(fc.array(fc.string()), fc.dictionary(fc.string(), fc.string())),
    }),
  )

  it('never brings the gateway to fail, and no refusal repeats what it was sent', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...posts.slice(1)), hostile, async (path, body) => {
        const { status, json } = await post(path, JSON.stringify(body), 'application/json')
        expect([201, 400]).toContain(status)
        if (status === 400) expect(json.error.message.length).toBeLessThan(3_000)
      }),
      runs(150),
    )
    expect(test.logged('internal_error')).toEqual([])
    expect(test.logged('admin_failed')).toEqual([])
  })

  it('that was accepted is found again as it was answered', async () => {
    const admin = createTestAdmin(test)
    const input = fc.record({
      name: fc
        .string({ unit: 'binary', minLength: 1, maxLength: 40 })
        .filter((s) => s.trim() !== ''),
      apiUrl: fc.webUrl(),
      apiKey: fc.stringMatching(/^[!-~]{1,40}$/),
      supportedModels: fc.dictionary(fc.stringMatching(/^[\w.:/-]{1,20}$/), fc.constant('m')),
    })
    await fc.assert(
      fc.asyncProperty(input, async (body) => {
        const created = await admin.call('POST', '/accounts/codex', body)
        expect(created.status).toBe(201)
        const found = await admin.call('GET', `/accounts/codex/${created.json.id}`)
        expect(found.text).toBe(created.text)
      }),
      runs(30),
    )
  })
})

describe('a store that fails', () => {
  const secret = `cr_${'notToBeRepeated0'.repeat(2)}`

  it.each<[string, () => Promise<{ error: string }>]>([
    ['cannot be reached', () => Promise.reject(new Error(`connect ECONNREFUSED ${secret}`))],
    ['answers with an error', async () => ({ error: `READONLY ${secret}` })],
  ])('and %s makes every route answer 503', async (_, request) => {
    const broken = createTestGateway({ engine: { request, close: async () => {} } })
    const admin = createTestAdmin(broken)
    const id = '019ac000-0000-7000-8000-000000000000'
    const account = { name: 'a', apiUrl: 'https://example.com', apiKey: secret }
    const answers = [
      await admin.call('POST', '/auth/admin/login', { username: 'a', password: secret }),
      await admin.call('POST', '/keys', { name: 'k' }),
      await admin.call('GET', '/keys'),
      await admin.call('GET', `/keys/${id}`),
      await admin.call('GET', `/keys/${id}/stats`),
      await admin.call('PUT', `/keys/${id}`, { name: 'k' }),
      await admin.call('DELETE', `/keys/${id}`),
      await admin.call('POST', `/keys/${id}/restore`),
      await admin.call('POST', `/keys/${id}/rotate`),
      await admin.call('POST', '/accounts/codex', account),
      await admin.call('GET', '/accounts/codex'),
      await admin.call('GET', `/accounts/codex/${id}`),
      await admin.call('PUT', `/accounts/codex/${id}`, { apiKey: secret }),
      await admin.call('DELETE', `/accounts/codex/${id}?force=true`),
      await admin.call('GET', `/accounts/codex/${id}/availability`),
      await admin.call('POST', `/accounts/codex/${id}/toggle-schedulable`),
      await admin.call('POST', `/accounts/codex/${id}/reset-rate-limit`),
      await admin.call('POST', `/accounts/codex/${id}/test`),
      await read(await broken.app.request('/api/v2/me', { headers: { 'x-api-key': secret } })),
    ]
    for (const answer of answers) expect(refusal(answer)).toEqual([503, 'store_unavailable'])
    const said = answers.map((answer) => answer.text).join() + broken.lines.join()
    for (const text of [secret, testConfig.JWT_SECRET]) expect(said).not.toContain(text)
    await broken.close()
  })
})

describe('an unknown route', () => {
  it('is answered with 404 in the envelope of the administration', async () => {
    const admin = createTestAdmin(test)
    for (const [method, path] of [
      ['GET', '/nothing'],
      ['GET', '/accounts'],
    ] as const) {
      const answer = await admin.call(method, path)
      expect(refusal(answer)).toEqual([404, 'not_found'])
      expect(answer.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
    }
  })
})
