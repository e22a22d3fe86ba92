import { describe, expect, it } from 'vitest'
import { adminRoutes } from '../../src/admin/routes.ts'
import { digestApiKey } from '../../src/crypto.ts'
import { createTestGateway, read, testConfig } from '../support/gateway.ts'

describe('the administration', () => {
  it('never answers with or logs a secret, but for a plain key at its creation and rotation', async () => {
    const test = createTestGateway()
    const { redis } = test.runtime
    const answers: string[] = []
    let token = ''
    const call = async (method: string, path: string, body?: unknown) => {
      const answer = await read(
        await test.app.request(`/api/v2${path}`, {
          method,
          headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
          ...(body !== undefined && { body: JSON.stringify(body) }),
        }),
      )
      answers.push(answer.text + JSON.stringify([...answer.headers]))
      return answer.json
    }
    const credential = 'sk-ant-credential-of-the-upstream'
    const second = 'sk-ant-second-credential-of-the-upstream'
    const password = testConfig.ADMIN_PASSWORD
    const proxyPassword = 'the password of the first proxy'
    const secondProxyPassword = 'the password of the second proxy'
    const proxy = (auth: object) => ({ protocol: 'http', host: 'proxy.invalid', port: 8080, auth })
    token = (await call('POST', '/auth/admin/login', { username: 'admin', password })).token
    const settings = {
      name: 'a',
      apiUrl: 'https://api.example.com',
      apiKey: credential,
      proxy: proxy({ username: 'gateway', password: proxyPassword }),
    }
    const account = await call('POST', '/accounts/claude-console', settings)
    await call('POST', '/accounts/claude-console', {
      ...settings,
      apiUrl: `https://${credential}@x`,
    })
    await call('POST', '/accounts/claude-console', { ...settings, [credential]: credential })
    await call('POST', '/accounts/claude-console', {
      ...settings,
      apiKey: `${credential}\n${credential}`,
    })
    for (const wrong of [
      { host: `gateway:${proxyPassword}@proxy.invalid` },
      { port: proxyPassword },
      { auth: { username: 'gateway', password: `${proxyPassword}\n` } },
      { auth: proxyPassword },
    ]) {
      const body = { ...settings, proxy: { ...settings.proxy, ...wrong } }
      await call('POST', '/accounts/claude-console', body)
    }
    const { id, key } = await call('POST', '/keys', { name: 'k' })
    const creation = answers.length - 1
    await call('POST', '/keys', { name: 'k', claudeConsoleAccountId: account.id })
    await call('POST', '/keys', { name: 'k', expiresAt: key, permissions: key })
    const accountPath = `/accounts/claude-console/${account.id}`
    const sealed = await redis.hget<string>(test.gateway.keyspace.pool, `account:${account.id}`)
    for (const path of ['/auth/me', '/keys', `/keys/${id}`, `/keys/${id}/stats`])
      await call('GET', path)
    for (const path of ['/accounts/claude-console', accountPath]) await call('GET', path)
    await call('GET', `${accountPath}/availability`)
    await call('PUT', accountPath, {
      apiKey: second,
      priority: 2,
      proxy: proxy({ username: 'gateway', password: secondProxyPassword }),
    })
    await call('PUT', accountPath, { proxy: proxy({ password: proxyPassword }) })
    await call('POST', `${accountPath}/test`, {})
    await call('POST', `${accountPath}/toggle-schedulable`)
    await call('POST', `${accountPath}/reset-rate-limit`)
    await call('PUT', `/keys/${id}`, { name: 'new' })
    const rotated = await call('POST', `/keys/${id}/rotate`)
    const rotation = answers.length - 1
    for (const path of [accountPath, accountPath, `/keys/${id}`]) await call('DELETE', path)
    await call('POST', `/keys/${id}/restore`)
    await call('GET', '/audit')
    await call('GET', '/keys?includeDeleted=true')
    await call('POST', '/auth/admin/login', { username: 'admin', password: credential })

    expect(answers.filter((answer) => answer.includes(key))).toEqual([answers[creation]])
    expect(answers.filter((answer) => answer.includes(rotated.key))).toEqual([answers[rotation]])
    expect(answers.filter((answer) => answer.includes(second))).toEqual([])
    const hash = await redis.hget<string>(test.gateway.keyspace.admin('admin'), 'passwordHash')
    const record = JSON.parse(sealed?.slice(sealed.indexOf(' ')) ?? '')
    const secrets = {
      digest: digestApiKey(key),
      rotatedDigest: digestApiKey(rotated.key),
      sealed: record.sealedApiKey,
      sealedPassword: record.proxy.auth.sealedPassword,
      proxyPassword,
      secondProxyPassword,
      hash,
      password,
      jwtSecret: testConfig.JWT_SECRET,
      encryptionKey: testConfig.ENCRYPTION_KEY,
    }
    const log = test.lines.join('\n')
    expect(test.lines.length).toBeGreaterThan(4)
    for (const [name, secret] of Object.entries(secrets)) {
      expect(secret?.length, name).toBeGreaterThan(20)
      expect(answers.join('\n').includes(secret), name).toBe(false)
      expect(log.includes(secret), name).toBe(false)
    }
    // A credential in place of a field's name is the one thing that is repeated: names are not secret.
    const named = answers.filter((answer) => answer.includes(credential))
    expect(named).toHaveLength(1)
    expect(named[0]).toContain('Unknown field')
    for (const text of [credential, second, key, rotated.key, token])
      expect(log).not.toContain(text)
    await test.close()
  })
})

describe('the document of the routes', () => {
  const test = createTestGateway()
  const document = adminRoutes(test.gateway).getOpenAPI31Document({
    openapi: '3.1.0',
    info: { title: 'Administration', version: '2' },
  })

  it('names every route, its tag and its answers', () => {
    const routes = Object.entries(document.paths ?? {}).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, route]) => {
        expect(route).toMatchObject({ tags: [expect.any(String)], summary: expect.any(String) })
        return `${method} ${path} ${Object.keys(route.responses)}`
      }),
    )
    expect(routes.toSorted()).toEqual([
      'delete /accounts/{platform}/{id} 200,400,401,403,404,409,503',
      'delete /keys/{id} 200,401,403,404,409,503',
      'delete /prices/{id} 200,401,403,404,409,503',
      'get /accounts/{platform} 200,400,401,403,404,503',
      'get /accounts/{platform}/{id} 200,401,403,404,503',
      'get /accounts/{platform}/{id}/availability 200,401,403,404,503',
      'get /audit 200,400,401,403,503',
      'get /auth/me 200,401,403,503',
      'get /keys 200,400,401,403,503',
      'get /keys/{id} 200,401,403,404,503',
      'get /keys/{id}/stats 200,401,403,404,503',
      'get /me 200,401,403,503',
      'get /prices 200,400,401,403,503',
      'get /prices/export 200,401,403,503',
      'get /requests/{id} 200,400,401,403,404,503',
      'post /accounts/{platform} 201,400,401,403,404,503',
      'post /accounts/{platform}/{id}/reset-rate-limit 200,401,403,404,503',
      'post /accounts/{platform}/{id}/test 200,400,401,403,404,503',
      'post /accounts/{platform}/{id}/toggle-schedulable 200,401,403,404,409,503',
      'post /auth/admin/login 200,400,401,429,503',
      'post /auth/change-password 200,400,401,403,409,429,503',
      'post /auth/logout 204,401,403,503',
      'post /keys 201,400,401,403,503',
      'post /keys/{id}/restore 200,401,403,404,409,503',
      'post /keys/{id}/rotate 200,401,403,404,409,503',
      'post /prices/import 200,400,401,403,409,503',
      'put /accounts/{platform}/{id} 200,400,401,403,404,409,503',
      'put /keys/{id} 200,400,401,403,404,409,503',
      'put /prices 200,400,401,403,409,503',
    ])
  })

  it('shows no secret in the schema of an answer', () => {
    const { schemas } = document.components ?? {}
    expect(Object.keys(schemas ?? {})).toEqual(
      expect.arrayContaining(['Account', 'ApiKey', 'IssuedApiKey', 'Error', 'ApiKeyStats']),
    )
    for (const name of ['Account', 'AccountDetails', 'ApiKey', 'ApiKeyDetails', 'OwnApiKey']) {
      const text = JSON.stringify(schemas?.[name])
      expect(text).not.toMatch(/"(apiKey|sealedApiKey|digest|key|password|sealedPassword)"/)
    }
  })
})
