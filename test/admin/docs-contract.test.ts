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
import { chatCompletion, responsesJson } from '../support/openai.ts'
import { mismatch, type Operation, operationsOf, resolve } from '../support/openapi.ts'
import { anthropicJson, json, startUpstream, type Upstream } from '../support/upstream.ts'

type Json = ReturnType<typeof JSON.parse>
interface Call {
  token?: string
  id?: string
  platform?: string
  body?: string
  query?: string
  type?: string
}

let test: TestGateway
let upstream: Upstream
let document: Json

beforeAll(async () => {
  upstream = await startUpstream()
  upstream.behave('sk-ant-contract', (exchange) => {
    const isCount = exchange.request.path.endsWith('/count_tokens')
    return (isCount ? json(200, { input_tokens: 1 }) : anthropicJson())(exchange)
  })
  upstream.behave('sk-contract', (exchange) => {
    const { path, body } = exchange.request
    if (path.endsWith('/input_tokens')) return json(200, { input_tokens: 1 })(exchange)
    if (body.length === 0) return json(200, { id: 'resp_mock001' })(exchange)
    return (path.endsWith('/chat/completions') ? chatCompletion() : responsesJson())(exchange)
  })
  test = createTestGateway()
  document = (await read(await test.app.request('/openapi.json'))).json
})
afterAll(async () => {
  await test.close()
  await upstream.close()
})

const title = ({ method, path }: Operation) => `${method.toUpperCase()} ${path}`

/** A body that fits: the documented example, aimed at what exists here. */
function validBody({ path, operation }: Operation): string | undefined {
  const media = operation.requestBody?.content['application/json']
  if (!media) return undefined
  const example = media.example ?? resolve(document, media.schema).example
  const here: Json = {
    '/api/v2/auth/admin/login': { username: 'admin', password: testConfig.ADMIN_PASSWORD },
    '/api/v2/auth/change-password': {
      currentPassword: testConfig.ADMIN_PASSWORD,
      newPassword: 'a password of another kind',
    },
    // Nothing is relayed through the proxy of an example.
    '/api/v2/accounts/{platform}': { ...example, apiUrl: upstream.url, schedulable: false },
  }
  return JSON.stringify(here[path] ?? example ?? { model: 'claude-sonnet-4-6' })
}

async function send(target: Operation, call: Call): Promise<Answer> {
  const { method, operation, path } = target
  const url = path
    .replace('{platform}', call.platform ?? 'claude-console')
    .replace('{id}', encodeURIComponent(call.id ?? ''))
  const names: string[] = (operation.security ?? []).flatMap(Object.keys)
  const headers = new Headers(
    call.token === undefined
      ? {}
      : names.includes('Bearer')
        ? { authorization: `Bearer ${call.token}` }
        : { 'x-api-key': call.token },
  )
  if (call.body !== undefined) headers.set('content-type', call.type ?? 'application/json')
  const answer = await read(
    await test.app.request(url + (call.query ?? ''), {
      method: method.toUpperCase(),
      headers,
      ...(call.body !== undefined && { body: call.body }),
    }),
  )
  check(target, answer)
  return answer
}

/** Holds an answer to what the document says of its status. */
function check(target: Operation, { status, text, json, headers }: Answer): void {
  const at = `${title(target)} ${status}`
  const response = resolve(document, target.operation.responses[status])
  expect(response, `${at} is not documented: ${text.slice(0, 200)}`).toBeDefined()
  if (!response.content) {
    expect([at, text]).toEqual([at, ''])
    return
  }
  const type = (headers.get('content-type') ?? '').split(';')[0] ?? ''
  const media = response.content[type]
  expect(media, `${at}: ${type} is not documented`).toBeDefined()
  if (type === 'application/json') {
    expect([at, mismatch(document, media.schema, json)]).toEqual([at, ''])
  }
  for (const [name, header] of Object.entries<Json>(response.headers ?? {})) {
    if (header.required) expect(headers.has(name), `${at}: ${name}`).toBe(true)
  }
}

/** A token, and fresh records for one operation to work on. */
async function prepare(target: Operation): Promise<Call> {
  const admin = createTestAdmin(test)
  const account = await admin.createAccount({ apiUrl: upstream.url, apiKey: 'sk-ant-contract' })
  await admin.createAccount({ apiUrl: upstream.url, apiKey: 'sk-contract' }, 'codex')
  const { id, key } = await admin.createKey()
  const isAdmin = (target.operation.security ?? []).some((scheme: Json) => 'Bearer' in scheme)
  if (target.path.endsWith('/restore')) await admin.call('DELETE', `/keys/${id}`)
  const recordId = target.path.includes('/accounts/') ? account.id : id
  if (target.path.includes('/models/')) return { token: key, id: await anyModel(target.path, key) }
  if (target.path.includes('/responses/{id}')) return { token: key, id: await stored(key) }
  return {
    token: isAdmin ? await adminToken(test.runtime, 'admin') : key,
    id: target.path.includes('/prices/')
      ? (await admin.call('PUT', '/prices', { model: 'my-model', input: 1, output: 2 })).json.id
      : target.path.includes('/requests/')
        ? await relayed(key)
        : recordId,
  }
}

/** A model that this key may use. */
async function anyModel(path: string, key: string): Promise<string> {
  const response = await test.app.request(path.replace('/{id}', ''), {
    headers: { 'x-api-key': key },
  })
  return JSON.parse(await response.text()).data[0].id
}

/** The id of a response that was made for this key. */
async function stored(key: string): Promise<string> {
  const response = await test.app.request('/openai/v1/responses', {
    method: 'POST',
    headers: { 'x-api-key': key, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'gpt-5', input: 'hi' }),
  })
  await test.deferred()
  return JSON.parse(await response.text()).id
}

/** The id of a request that was relayed for this key. */
async function relayed(key: string): Promise<string> {
  const response = await test.app.request('/v1/messages', {
    method: 'POST',
    headers: { 'x-api-key': key, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'claude-sonnet-4-6', messages: [] }),
  })
  expect(response.status).toBe(200)
  await test.deferred()
  return response.headers.get('x-request-id') ?? ''
}

describe('every documented operation', () => {
  it('succeeds, and fails, as the document says', async () => {
    // The password goes last: with it every session ends.
    const operations = operationsOf(document).toSorted(
      (a, b) => Number(a.path.includes('password')) - Number(b.path.includes('password')),
    )
    const outcomes = new Map<string, number[]>()
    for (const target of operations) {
      const statuses: number[] = []
      const valid = await prepare(target)
      const body = validBody(target)
      const withBody = body === undefined ? {} : { body }
      const calls: Call[] = [{ ...valid, ...withBody, token: '' }]
      if (target.path.includes('{')) {
        calls.push({ ...valid, ...withBody, id: '019ac000-0000-7000-8000-000000000000' })
        calls.push({ ...valid, ...withBody, id: 'no id', platform: 'no platform' })
      }
      if (target.method === 'get') {
        calls.push({ ...valid, query: '?limit=0&cursor=x&unknown=1' })
      }
      if (body !== undefined) {
        for (const wrong of ['', '{', '[]', '{}', '{"unknown":1}']) {
          calls.push({ ...valid, body: wrong })
        }
        calls.push({ ...valid, body, type: 'text/plain' })
        if (target.path.startsWith('/api/v2/')) {
          calls.push({ ...valid, body: JSON.stringify({ name: 'x'.repeat(1024 * 1024) }) })
        }
      }
      for (const call of calls) statuses.push((await send(target, call)).status)
      const fresh = await prepare(target)
      const answer = await send(target, { ...fresh, ...withBody })
      expect([title(target), answer.status < 300 || answer.text]).toEqual([title(target), true])
      outcomes.set(title(target), statuses)
    }
    for (const target of operations) {
      if (target.operation.security)
        expect(outcomes.get(title(target)), title(target)).toContain(401)
      if (target.path.includes('{'))
        expect(outcomes.get(title(target)), title(target)).toContain(404)
    }
  })

  it('answers 503 as documented when the store is gone', async () => {
    const request = () => Promise.reject(new Error('connect ECONNREFUSED'))
    const broken = createTestGateway({ engine: { request, close: async () => {} } })
    const token = await adminToken(broken.runtime, 'admin')
    for (const target of operationsOf(document)) {
      const body = validBody(target)
      const url = target.path
        .replace('{platform}', 'codex')
        .replace('{id}', '019ac000-0000-7000-8000-000000000000')
      const isAdmin = (target.operation.security ?? []).some((scheme: Json) => 'Bearer' in scheme)
      const answer = await read(
        await broken.app.request(url, {
          method: target.method.toUpperCase(),
          headers: {
            ...(body !== undefined && { 'content-type': 'application/json' }),
            ...(isAdmin
              ? { authorization: `Bearer ${token}` }
              : { 'x-api-key': `cr_${'x'.repeat(32)}` }),
          },
          ...(body !== undefined && { body }),
        }),
      )
      // The liveness probe asks nothing of the store.
      const expected = target.path === '/livez' ? 200 : 503
      expect([title(target), answer.status]).toEqual([title(target), expected])
      check(target, answer)
    }
    await broken.close()
  })
})
