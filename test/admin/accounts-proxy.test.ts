import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openProxy } from '../../src/catalog/proxy.ts'
import type { UpstreamRequest } from '../../src/runtime.ts'
import {
  createTestAdmin,
  createTestGateway,
  type TestAdmin,
  type TestGateway,
} from '../support/gateway.ts'

const required = { name: 'account', apiUrl: 'https://api.example.com', apiKey: 'sk-ant-test' }
const place = { protocol: 'http', host: 'proxy.example.com', port: 8080 }
const auth = { username: 'gateway-user', password: 'a password of the proxy' }
const shownAuth = { username: 'gateway-user' }

let test: TestGateway
let admin: TestAdmin
beforeAll(() => {
  test = createTestGateway({ config: { ALLOW_PRIVATE_PROXIES: 'false' } })
  admin = createTestAdmin(test)
})
afterAll(() => test.close())

const pathOf = ({ id }: { id: string }) => `/accounts/claude-console/${id}`
const put = (account: { id: string }, patch: object) => admin.call('PUT', pathOf(account), patch)
const opened = async (id: string) => {
  const { record } = (await test.gateway.catalog.loadPool()).accounts.get(id) ?? {}
  return openProxy(record?.proxy ?? null, test.gateway.sealer, id)
}

describe('the proxy of an account', () => {
  it('is kept with its password sealed for this account, and shown without it', async () => {
    const account = await admin.createAccount({ proxy: { ...place, auth } })
    expect(account.proxy).toEqual({ ...place, auth: shownAuth })
    expect((await admin.call('GET', pathOf(account))).json.proxy).toEqual(account.proxy)
    expect(await opened(account.id)).toEqual({ ...place, auth })
    const { pool } = test.gateway.keyspace
    const stored = await test.runtime.redis.hget<string>(pool, `account:${account.id}`)
    expect(stored).not.toContain(auth.password)
  })

  it('stays where an edit does not name it, is replaced as a whole, and removed by null', async () => {
    const account = await admin.createAccount({ proxy: { ...place, auth } })
    await put(account, { priority: 3 })
    expect(await opened(account.id)).toEqual({ ...place, auth })
    const moved = await put(account, { proxy: { ...place, port: 81 } })
    expect(moved.json.proxy).toEqual({ ...place, port: 81, auth: null })
    const again = { username: 'b', password: ' blanks stay ' }
    await put(account, { proxy: { ...place, protocol: 'socks5', auth: again } })
    expect(await opened(account.id)).toEqual({ ...place, protocol: 'socks5', auth: again })
    const removed = await put(account, { proxy: null })
    expect([removed.status, removed.json.proxy]).toEqual([200, null])
  })

  it('can be sent back as it was read, where it has no password', async () => {
    const account = await admin.createAccount({ proxy: place })
    const { status, headers } = await put(account, { proxy: account.proxy })
    expect([status, headers.get('etag')]).toEqual([200, '"1"'])
  })

  it.each([
    ['Proxy.EXAMPLE.com', 'proxy.example.com'],
    ['[2606:4700:4700:0::1111]', '2606:4700:4700::1111'],
  ])('at %s is kept in one spelling', async (host, spelling) => {
    const account = await admin.createAccount({ proxy: { ...place, host } })
    expect(account.proxy).toMatchObject({ host: spelling })
  })

  it.each<[string, unknown, string]>([
    ['an address in one text', 'http://proxy.example.com:8080', 'proxy'],
    ['another protocol', { ...place, protocol: 'socks4' }, 'proxy.protocol'],
    ['no protocol', { ...place, protocol: undefined }, 'proxy.protocol'],
    ['no host', { ...place, host: ' ' }, 'proxy.host'],
    ['a host with a scheme', { ...place, host: 'http://proxy.example.com' }, 'proxy.host'],
    ['a host with a port', { ...place, host: 'proxy.example.com:80' }, 'proxy.host'],
    ['a private host', { ...place, host: '10.0.0.1' }, 'proxy.host'],
    ['a private host in disguise', { ...place, host: '0x7f000001' }, 'proxy.host'],
    ['the address of a host’s metadata', { ...place, host: '169.254.169.254' }, 'proxy.host'],
    ['no port', { ...place, port: undefined }, 'proxy.port'],
    ['a port of 0', { ...place, port: 0 }, 'proxy.port'],
    ['a port of 65536', { ...place, port: 65_536 }, 'proxy.port'],
    ['a port as text', { ...place, port: '80' }, 'proxy.port'],
    ['no password', { ...place, auth: { username: 'u' } }, 'proxy.auth.password'],
    ['an empty password', { ...place, auth: { ...auth, password: '' } }, 'proxy.auth.password'],
    ['no user name', { ...place, auth: { password: 'p' } }, 'proxy.auth.username'],
    ['a colon in it', { ...place, auth: { ...auth, username: 'a:b' } }, 'proxy.auth.username'],
    ['a line break', { ...place, auth: { ...auth, password: 'a\r\nb' } }, 'proxy.auth.password'],
    [
      'a sealed one',
      { ...place, auth: { ...auth, sealedPassword: 'v1.' } },
      'proxy.auth.sealedPassword',
    ],
    ['another field', { ...place, timeout: 1 }, 'proxy.timeout'],
  ])('is refused with %s by name, when created and when edited', async (_, proxy, field) => {
    const account = await admin.createAccount()
    const answers = [
      await admin.call('POST', '/accounts/codex', { ...required, proxy }),
      await put(account, { proxy }),
    ]
    for (const { status, json } of answers) {
      expect(status).toBe(400)
      const named: string[] = json.error.issues.map((issue: { field: string }) => issue.field)
      expect([...new Set(named)]).toEqual([field])
    }
    expect(await opened(account.id)).toBeUndefined()
  })

  it('may be private where ALLOW_PRIVATE_PROXIES says so, whatever upstreams may be', async () => {
    const config = { ALLOW_PRIVATE_PROXIES: 'true', ALLOW_PRIVATE_UPSTREAMS: 'false' }
    const own = createTestGateway({ config })
    for (const [host, spelling] of [
      ['127.0.0.1', '127.0.0.1'],
      ['[::1]', '::1'],
      ['localhost', 'localhost'],
    ]) {
      const { proxy } = await createTestAdmin(own).createAccount({ proxy: { ...place, host } })
      expect(proxy).toMatchObject({ host: spelling })
    }
    await own.close()
  })

  it('of a plain http upstream changes only together with the credential, but may go', async () => {
    const account = await admin.createAccount({ apiUrl: 'http://api.example.com', proxy: place })
    for (const other of [{ host: 'evil.example.com' }, { port: 1 }, { protocol: 'socks5' }]) {
      const { status, json } = await put(account, { proxy: { ...place, ...other } })
      expect([status, json.error.issues]).toMatchObject([400, [{ field: 'apiKey' }]])
    }
    expect((await put(account, { proxy: { ...place, auth } })).status).toBe(200)
    expect((await put(account, { proxy: null })).status).toBe(200)
    expect((await put(account, { proxy: place })).status).toBe(400)
    expect((await put(account, { proxy: place, apiKey: 'sk-ant-again' })).status).toBe(200)
    const secure = await admin.createAccount({ proxy: place })
    expect((await put(secure, { proxy: { ...place, port: 1 } })).status).toBe(200)
  })

  it('has no password that another ENCRYPTION_KEY sealed', async () => {
    const account = await admin.createAccount()
    const config = { ENCRYPTION_KEY: '11'.repeat(32) }
    const stranger = createTestGateway({ engine: test.engine, config })
    const edit = (proxy: object) =>
      createTestAdmin(stranger).call('PUT', pathOf(account), { proxy })
    const refused = await edit({ ...place, auth })
    expect([refused.status, refused.json.error.code]).toEqual([500, 'misconfigured'])
    expect(await opened(account.id)).toBeUndefined()
    expect((await edit(place)).status).toBe(200)
    await stranger.close()
  })
})

describe('a trial through a proxy', () => {
  /** A gateway whose upstream answers with `body`, and what it was asked. */
  const answering = (body: unknown, options: { canProxy?: boolean } = {}) => {
    const asked: UpstreamRequest[] = []
    const fetch = async (_: string, request: UpstreamRequest) => {
      asked.push(request)
      if (body instanceof Error) throw body
      return Response.json(body, { status: 502 })
    }
    const own = createTestGateway({ fetch, ...options })
    const caller = createTestAdmin(own)
    const trial = async (fields: Record<string, unknown>) => {
      const account = await caller.createAccount(fields)
      const { json } = await caller.call('POST', `${pathOf(account)}/test`)
      return { account, json, request: asked.at(-1), log: own.lines.join('\n') }
    }
    return { trial, close: own.close }
  }

  it('goes through the proxy of the account, and straight without one', async () => {
    const { trial, close } = answering({ error: 'down' })
    const through = await trial({ proxy: { ...place, auth } })
    const via = { accountId: through.account.id, proxy: { ...place, auth } }
    expect(through.request?.via).toEqual(via)
    const open = await trial({ proxy: place })
    expect(open.request?.via?.proxy).toEqual({ ...place, auth: undefined })
    expect((await trial({})).request).not.toHaveProperty('via')
    await close()
  })

  it('tells nothing of where the proxy is and how it is entered', async () => {
    const basic = btoa(`${auth.username}:${auth.password}`)
    const said = [
      `PROXY.example.com refused ${auth.username}`,
      `proxy.example.com:8080 wants ${auth.password}`,
      `Basic ${basic}`,
      `socks5://x:${encodeURIComponent(auth.password)}@somewhere.example`,
    ].join(', ')
    const { trial, close } = answering({ error: said })
    const { json, log } = await trial({ proxy: { ...place, auth } })
    expect(json).toMatchObject({ ok: false, status: 502 })
    expect(json.message).toBe(
      '[hidden] refused [hidden], [hidden] wants [hidden], Basic [hidden], [hidden]',
    )
    for (const secret of [auth.password, basic]) expect(log).not.toContain(secret)
    await close()
  })

  it('says that the way through the proxy failed, and of the fault only its code', async () => {
    const fault = new Error(`proxy.example.com refused ${auth.password}`)
    const { trial, close } = answering(Object.assign(fault, { code: 'ECONNREFUSED' }))
    const { json } = await trial({ proxy: { ...place, auth } })
    expect(json).toMatchObject({
      ok: false,
      status: null,
      message: 'The connection to the upstream through the proxy failed (ECONNREFUSED)',
    })
    await close()
  })

  it('is not made by a host that cannot go through one', async () => {
    const { trial, close } = answering({}, { canProxy: false })
    const { json, request } = await trial({ proxy: place })
    expect(json).toMatchObject({ ok: false, status: null })
    expect(json.message).toMatch(/cannot go through a proxy; remove it, or run the gateway on Node/)
    expect(request).toBeUndefined()
    expect((await trial({})).request).toBeDefined()
    await close()
  })

  it('is not made with a password that cannot be read', async () => {
    const account = await admin.createAccount({ proxy: { ...place, auth } })
    const { pool } = test.gateway.keyspace
    const packed = await test.runtime.redis.hget<string>(pool, `account:${account.id}`)
    const damaged = packed?.replace(/"sealedPassword":"v1\.[^"]*"/, '"sealedPassword":"v1.x"')
    await test.runtime.redis.hset(pool, { [`account:${account.id}`]: damaged })
    const { json } = await admin.call('POST', `${pathOf(account)}/test`)
    expect(json).toMatchObject({ ok: false, status: null })
    expect(json.message).toMatch(/password of the proxy cannot be read; set proxy again/)
  })
})
