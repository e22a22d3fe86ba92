/** The proof of the dialect seam: a dialect of the test's own, on a route of its own. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createApp } from '../../src/app.ts'
import { anthropic } from '../../src/dialects/anthropic/messages.ts'
import type { Dialect, UsageReader } from '../../src/dialects/dialect.ts'
import { commonHeaderRules } from '../../src/dialects/headers.ts'
import { noUsage } from '../../src/domain/usage.ts'
import type { RelayRoute } from '../../src/relay/routes.ts'
import { createTestAdmin, createTestGateway, type TestGateway } from '../support/gateway.ts'
import { json, sse, startUpstream, type Upstream } from '../support/upstream.ts'

/** Counts one output token for each event `say`; the event `end` completes the answer. */
function createUsageReader(): UsageReader {
  let state: ReturnType<UsageReader['state']> = 'open'
  let outputTokens = 0
  return {
    event({ event, data }) {
      if (event === 'end') state = 'complete'
      if (event === 'oops') state = 'failed'
      if (event === 'say') outputTokens += data.length
      if (event === 'oops') return 'error'
      return event === 'say' || event === 'end' ? 'content' : 'preamble'
    },
    answer(body) {
      if (typeof body !== 'object' || body === null || !('said' in body)) return false
      outputTokens = String(body.said).length
      state = 'complete'
      return true
    },
    state: () => state,
    failure: () => (state === 'failed' ? { message: 'oops' } : undefined),
    total: () => ({ usage: { ...noUsage, outputTokens }, estimated: false }),
  }
}

const plain: Dialect = {
  id: 'plain',
  headerRules: {
    ...commonHeaderRules,
    neverUpstream: { names: new Set(['x-api-key', 'x-plain-private']), prefixes: ['content-l'] },
    neverBack: { names: new Set(['x-plain-account', 'content-length']), prefixes: [] },
  },
  createUsageReader,
  errorResponse: ({ status, code }, id) => new Response(`${code} ${id}`, { status }),
  errorEvent: ({ code }, id) => `event: oops\ndata: ${code} ${id}\n\n`,
  refusalEvent: (body) => `event: oops\ndata: ${body}\n\n`,
}

const route: RelayRoute = {
  path: '/plain/talk',
  dialect: plain,
  operation: 'messages',
  poolId: 'claude-console',
}
const anthropicRoute: RelayRoute = { ...route, path: '/v1/messages', dialect: anthropic }

let upstream: Upstream
let test: TestGateway
let app: ReturnType<typeof createApp>
let key: string

beforeEach(async () => {
  upstream = await startUpstream()
  test = createTestGateway()
  app = createApp(test.gateway, { routes: [route, anthropicRoute] })
  const admin = createTestAdmin(test)
  await admin.createAccount({ apiUrl: upstream.url })
  ;({ key } = await admin.createKey())
})
afterEach(async () => {
  await test.close()
  await upstream.close()
})

const send = (fields: object = {}, headers: Record<string, string> = {}) =>
  app.request(route.path, {
    method: 'POST',
    headers: { 'x-api-key': key, 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ model: 'claude-sonnet-4-5', ...fields }),
  })
const outputTokens = async () => {
  await test.deferred()
  return test.logged('served').map((fields) => fields.outputTokens)
}

describe('a dialect of its own', () => {
  it('reads the usage of JSON answers and of streams', async () => {
    upstream.respond(json(200, { said: 'seven..' }))
    expect(await (await send()).json()).toEqual({ said: 'seven..' })
    const stream = 'event: say\ndata: four\n\nevent: end\ndata: .\n\n'
    upstream.respond(sse(stream))
    expect(await (await send({ stream: true })).text()).toBe(stream)
    expect(await outputTokens()).toEqual([7, 4])
  })

  it('decides which headers pass, in both directions', async () => {
    upstream.respond(json(200, { said: '' }, { 'x-plain-account': 'a', 'x-plain-other': 'b' }))
    const response = await send({}, { 'x-plain-private': '1', 'x-plain-public': '2' })
    expect(response.headers.get('x-plain-account')).toBeNull()
    expect(response.headers.get('x-plain-other')).toBe('b')
    expect(upstream.requests[0]?.headers).toMatchObject({ 'x-plain-public': '2' })
    expect(upstream.requests[0]?.headers).not.toHaveProperty('x-plain-private')
  })

  it('words the errors of its route, before and inside of a stream', async () => {
    const refused = await send({ model: 7 })
    const id = refused.headers.get('x-request-id')
    expect(await refused.text()).toBe(`invalid_request ${id}`)
    upstream.respond(sse('event: say\ndata: x\n\n'))
    const broken = await send({ stream: true })
    const requestId = broken.headers.get('x-request-id')
    const event = `event: oops\ndata: upstream_failed ${requestId}\n\n`
    expect(await broken.text()).toBe(`event: say\ndata: x\n\n${event}`)
  })

  it('is what errors below its route speak, for unknown methods and paths too', async () => {
    for (const [method, path, refusal] of [
      ['GET', route.path, [405, 'method_not_allowed']],
      ['POST', `${route.path}/unknown`, [404, 'not_found']],
    ] as const) {
      const response = await app.request(path, { method })
      expect([response.status, (await response.text()).split(' ')[0]]).toEqual(refusal)
    }
  })
})

describe('errors elsewhere', () => {
  const bodyOf = async (path: string) => {
    const response = await app.request(path)
    expect(response.ok).toBe(false)
    return { id: response.headers.get('x-request-id'), body: await response.json() }
  }

  it.each(['/v1/messages/unknown', '/unknown', '/plain', '/plain/talkative'])(
    'speak Anthropic Messages below its routes and where nothing is known: %s',
    async (path) => {
      const { id, body } = await bodyOf(path)
      const error = { type: 'not_found_error', message: `No route ${path}` }
      expect(body).toEqual({ type: 'error', error, request_id: id })
    },
  )

  it.each(['/api/v2', '/api/v2/unknown'])(
    'have the envelope of the administration: %s',
    async (path) => {
      const { body } = await bodyOf(path)
      const text = expect.any(String)
      expect(body).toEqual({ error: { code: text, message: text } })
    },
  )
})
