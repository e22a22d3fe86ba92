/** A session that has to leave its account stays in the organisation of that, as the answers name it. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createTestAdmin, createTestGateway, type TestGateway } from '../../support/gateway.ts'
import { json, startUpstream, type Upstream } from '../../support/upstream.ts'

let upstream: Upstream
let gateway: TestGateway
beforeEach(async () => {
  upstream = await startUpstream()
  gateway = createTestGateway()
})
afterEach(async () => {
  await gateway.close()
  await upstream.close()
})

it('and the name of the organisation never reaches the client', async () => {
  const admin = createTestAdmin(gateway)
  const message = { type: 'message', content: [], usage: { input_tokens: 1, output_tokens: 1 } }
  const answer = (organisation: string) =>
    json(200, message, { 'anthropic-organization-id': organisation })
  const overloaded = json(529, { type: 'error', error: { type: 'overloaded_error' } })
  const accounts = { home: ['x', 1], stranger: ['y', 2], kin: ['x', 3] } as const
  for (const [name, [organisation, priority]] of Object.entries(accounts)) {
    const apiKey = `sk-ant-${name}`
    await admin.createAccount({ apiUrl: upstream.url, name, apiKey, priority })
    upstream.behave(apiKey, answer(organisation))
  }
  const { key } = await admin.createKey()
  const { json: page } = await admin.call('GET', '/accounts/claude-console')
  const idOf = (name: string) =>
    page.data.find((account: { name: string }) => account.name === name).id as string
  const send = async (apiKey: string, session: string) => {
    const response = await gateway.app.request('/v1/messages', {
      method: 'POST',
      headers: { 'x-api-key': apiKey, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'claude-x', system: session, messages: [] }),
    })
    expect(response.status).toBe(200)
    expect(response.headers.get('anthropic-organization-id')).toBeNull()
    await response.text()
    await gateway.deferred()
    return upstream.requests.at(-1)?.credential
  }
  for (const name of ['home', 'kin', 'stranger']) {
    const bound = await admin.createKey({ claudeConsoleAccountId: idOf(name) })
    expect(await send(bound.key, 'one')).toBe(`sk-ant-${name}`)
  }
  expect(await send(key, 'conversation')).toBe('sk-ant-home')
  upstream.behave('sk-ant-home', overloaded)
  expect(await send(key, 'conversation')).toBe('sk-ant-kin')
})
