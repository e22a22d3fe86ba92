/** The proof of the platform seam: a platform of the test's own, which shares a pool with another. */
import { createHmac } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { tryAccount } from '../../src/admin/accounts/trial.ts'
import { createApp } from '../../src/app.ts'
import { accountFailure } from '../../src/domain/cooldowns.ts'
import { createGateway, type Gateway } from '../../src/gateway.ts'
import { claudeConsole } from '../../src/platforms/claude-console.ts'
import type { AccountCall, Platform } from '../../src/platforms/platform.ts'
import { renameModel } from '../../src/platforms/request-parts.ts'
import { writeAccountScript } from '../../src/store/scripts/catalog.ts'
import {
  createTestAdmin,
  createTestGateway,
  type TestAdmin,
  type TestGateway,
} from '../support/gateway.ts'
import {
  anthropicJson,
  anthropicStream,
  json,
  type RecordedRequest,
  startUpstream,
  type Upstream,
} from '../support/upstream.ts'

const secret = 'signing-secret'

const signatureOf = (path: string, body: Uint8Array) =>
  createHmac('sha256', secret).update(path).update(body).digest('hex')

/** Signs address and body as AWS SigV4 does in principle, and takes a while for it. */
async function buildSigned({ account, credential, body, upstreamModel, headers }: AccountCall) {
  await delay(1)
  if (credential !== secret) throw new Error('the credential is no signing secret')
  const path = `/model/${encodeURIComponent(upstreamModel)}/invoke`
  const bytes = renameModel(body, upstreamModel)
  headers.set('x-signature', signatureOf(path, bytes))
  return { url: account.apiUrl + path, method: 'PUT', headers, body: bytes }
}

const classifySigned: Platform['classifyAnswer'] = (answer, rateLimitMs, nowMs) =>
  answer.status === 418
    ? accountFailure('overloaded')
    : claudeConsole.classifyAnswer(answer, rateLimitMs, nowMs)

/** As it is registered; a test may replace how it builds requests, and judges answers. */
const signed: Platform = {
  ...claudeConsole,
  id: 'signed',
  poolId: claudeConsole.poolId,
  priceProvider: 'openai',
  buildRequest: buildSigned,
  classifyAnswer: classifySigned,
}

let upstream: Upstream
let test: TestGateway
let gateway: Gateway
let admin: TestAdmin
let app: ReturnType<typeof createApp>
let key: { id: string; key: string }

beforeEach(async () => {
  upstream = await startUpstream()
  test = createTestGateway()
  admin = createTestAdmin(test)
  gateway = createGateway(test.runtime, [claudeConsole, signed])
  app = createApp(gateway)
  key = await admin.createKey()
})
afterEach(async () => {
  await test.close()
  await upstream.close()
  signed.buildRequest = buildSigned
  signed.classifyAnswer = classifySigned
})

const createConsoleAccount = (fields: object = {}) =>
  admin.createAccount({ apiUrl: upstream.url, apiKey: 'sk-ant-console', priority: 50, ...fields })

/** Stores an account of the test's platform, which the administration does not offer. */
async function createSignedAccount(fields: object = {}): Promise<string> {
  const { id } = await admin.createAccount({
    ...{ apiUrl: upstream.url, apiKey: secret, priority: 1, ...fields },
  })
  const { record } = (await test.gateway.catalog.loadPool()).accounts.get(id) ?? {}
  await writeAccountScript(test.runtime.redis, gateway.keyspace, {
    accountId: id,
    expectedRevision: 1,
    record: JSON.stringify({ ...record, platform: 'signed' }),
  })
  return id
}

const send = async (fields: object = {}, signal?: AbortSignal) =>
  app.request('/v1/messages?beta=true', {
    method: 'POST',
    headers: { 'x-api-key': key.key, 'content-type': 'application/json', 'anthropic-beta': 'x' },
    body: JSON.stringify({ model: 'claude-sonnet-4-5', messages: [], ...fields }),
    ...(signal && { signal }),
  })

const expectSigned = ({ method, path, headers, body }: RecordedRequest, model: string) => {
  expect([method, path]).toEqual(['PUT', `/model/${model}/invoke`])
  expect(headers['x-signature']).toBe(signatureOf(path, body))
  expect(JSON.parse(body.toString())).toMatchObject({ model, messages: [] })
}
const expectConsole = ({ method, path, headers }: RecordedRequest) => {
  expect([method, path]).toEqual(['POST', '/v1/messages?beta=true'])
  expect(headers['x-api-key']).toBe('sk-ant-console')
  expect(headers).not.toHaveProperty('x-signature')
}
const lastTrace = async () => {
  await test.deferred()
  const [fields] = test.logged('served').slice(-1)
  return fields
}

describe('an account whose platform signs the body', () => {
  it('is called with an address and a signature of the body that is really sent', async () => {
    await createSignedAccount({ supportedModels: { 'claude-sonnet-4-5': 'vendor-model' } })
    expect((await send()).status).toBe(200)
    const [request] = upstream.requests
    if (!request) throw new Error('no request')
    expectSigned(request, 'vendor-model')
  })

  it('gets the client’s headers without credentials, and the headers of the account', async () => {
    await createSignedAccount({ userAgent: 'agent/1' })
    await send()
    const headers = upstream.requests[0]?.headers
    expect(headers).toMatchObject({
      'anthropic-beta': 'x',
      'accept-encoding': 'identity',
      'user-agent': 'agent/1',
    })
    expect(headers).not.toHaveProperty('x-api-key')
    expect(headers).not.toHaveProperty('authorization')
  })

  it('answers with a stream as well', async () => {
    await createSignedAccount()
    upstream.respond(anthropicStream())
    expect(await (await send({ stream: true })).text()).toContain('message_stop')
  })

  it('is charged by the price list of its platform', async () => {
    await createSignedAccount({ supportedModels: { 'claude-sonnet-4-5': 'gpt-5' } })
    const usage = { input_tokens: 1_000, output_tokens: 100 }
    upstream.respond(anthropicJson({ usage }))
    await send()
    expect(await lastTrace()).toMatchObject({ costNanoUsd: 1_000 * 1_250 + 100 * 10_000 })
  })
})

describe('a pool of accounts of two platforms', () => {
  let signedId: string
  let consoleId: string
  beforeEach(async () => {
    signedId = await createSignedAccount()
    consoleId = (await createConsoleAccount()).id
  })

  it('is one pool: by priority, and each account is called by its own platform', async () => {
    await send()
    await admin.call('PUT', `/accounts/claude-console/${consoleId}`, { priority: 1 })
    for (let i = 0; i < 2; i++) await send()
    const [first, second, third] = upstream.requests
    if (!first || !second || !third) throw new Error('no requests')
    expectSigned(first, 'claude-sonnet-4-5')
    // Of two equal accounts the one that was picked least recently is next.
    expectConsole(second)
    expectSigned(third, 'claude-sonnet-4-5')
  })

  it('fails over from one platform to the other within a request', async () => {
    upstream.behave('', json(529, {}))
    expect((await send()).status).toBe(200)
    const [first, second] = upstream.requests
    if (!first || !second) throw new Error('no requests')
    expectSigned(first, 'claude-sonnet-4-5')
    expectConsole(second)
    const trace = await lastTrace()
    expect(trace?.attempts).toMatchObject([
      { accountId: signedId, outcome: 'overloaded' },
      { accountId: consoleId, outcome: 'answer' },
    ])
  })

  it('lets each platform say which of its answers are the account’s fault', async () => {
    upstream.respond(json(418, { error: { type: 'invalid_request_error', message: 'x' } }))
    expect((await send()).status).toBe(418)
    expect((await lastAttempts()).map(({ outcome }) => outcome)).toEqual(['overloaded', 'refusal'])
  })

  it('keeps the health of all its accounts under the pool', async () => {
    upstream.behave('', json(529, {}))
    await send()
    await test.deferred()
    const { health } = gateway.keyspace
    const fields = await test.runtime.redis.hkeys(health(claudeConsole.poolId))
    expect(fields).toContain(`${signedId}/sonnet`)
    expect(await test.runtime.redis.exists(health('signed'))).toBe(0)
  })

  it('passes over an account whose platform cannot use its credential', async () => {
    signed.buildRequest = async () => {
      throw new Error('the credential has the wrong form')
    }
    expect((await send()).status).toBe(200)
    expect((await lastAttempts()).map(({ outcome }) => outcome)).toEqual([
      'credential_unreadable',
      'answer',
    ])
    expect(test.logged('credential_unreadable')).toMatchObject([
      {
        level: 'error',
        accountId: signedId,
        error: 'Error: the credential has the wrong form',
        stack: expect.stringMatching(/mixed-pool\.test\.ts/),
      },
    ])
  })

  it('logs a mistake in the code of a platform with its stack, and moves on', async () => {
    signed.classifyAnswer = () => {
      throw new TypeError('no such field')
    }
    upstream.behave('', json(529, {}))
    expect((await send()).status).toBe(200)
    expect((await lastAttempts()).map(({ outcome }) => outcome)).toEqual(['bad_answer', 'answer'])
    expect(test.logged('platform_failed')).toMatchObject([
      {
        level: 'error',
        platform: 'signed',
        accountId: signedId,
        error: 'TypeError: no such field',
        stack: expect.stringMatching(/mixed-pool\.test\.ts/),
      },
    ])
  })

  it('moves on from a platform that takes too long to build the request', async () => {
    Object.assign(test.runtime.config, { UPSTREAM_JSON_TIMEOUT_SECONDS: 0.1 })
    signed.buildRequest = () => new Promise(() => {})
    expect((await send()).status).toBe(200)
    expect((await lastAttempts()).map(({ outcome }) => outcome)).toEqual(['timeout', 'answer'])
  })

  it('sends and charges nothing when the client goes away while the request is built', async () => {
    const client = new AbortController()
    signed.buildRequest = () => {
      client.abort()
      return new Promise(() => {})
    }
    await send({}, client.signal)
    await test.deferred()
    expect(upstream.requests).toEqual([])
    expect(test.logged('served')).toEqual([])
    expect(test.logged('unserved')).toMatchObject([
      { end: 'client_aborted', attempts: [{ accountId: signedId, outcome: 'unsent' }] },
    ])
  })
})

describe('the trial of an account', () => {
  const trialOf = async (accountId: string) => {
    const { record } = (await gateway.catalog.loadPool()).accounts.get(accountId) ?? {}
    if (!record) throw new Error('no account')
    return tryAccount(gateway, record)
  }

  it('goes through its platform', async () => {
    expect(await trialOf(await createSignedAccount())).toMatchObject({ ok: true, status: 200 })
    const { path, body, headers } = upstream.requests[0] ?? { path: '', body: Buffer.of() }
    expect(path).toBe('/model/claude-haiku-4-5/invoke')
    expect(headers?.['x-signature']).toBe(signatureOf(path, body))
  })

  it('says so when its platform cannot use the credential', async () => {
    const id = await createSignedAccount({ apiKey: 'sk-ant-other' })
    const { ok, status, message } = await trialOf(id)
    expect([ok, status]).toEqual([false, null])
    expect(message).toMatch(/cannot use the stored credential; set apiKey again/)
    expect(upstream.requests).toEqual([])
  })
})

async function lastAttempts(): Promise<{ outcome: string }[]> {
  await test.deferred()
  const ended = [...test.logged('served'), ...test.logged('unserved')]
  const attempts = ended.at(-1)?.attempts
  return Array.isArray(attempts) ? attempts : []
}
