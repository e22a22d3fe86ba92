/** Journeys in which the gateway chooses: sessions, quotas, dedicated accounts, proxies, ids that bind. */
import { beforeEach, describe, expect, it } from 'vitest'
import { credentials, startProxy } from '../../support/proxies.ts'
import {
  after,
  anthropicJson,
  anthropicStream,
  type Behaviour,
  json,
} from '../../support/upstream.ts'
import { eventually, logIn, messageBody, sendMessage } from '../client.ts'
import type { Stage } from '../journeys.ts'

const overloaded = json(529, { type: 'error', error: { type: 'overloaded_error', message: 'no' } })
const inSession = (session: string) => ({ headers: { 'x-claude-code-session-id': session } })

const errorOf = async (response: Response) =>
  ((await response.json()) as { error: { type: string; message: string } }).error

export function schedulingJourneys(stage: Stage): void {
  const served = () => stage.upstream.requests.map(({ credential }) => credential.at(-1)).join('')
  const healthy = async (id: string) =>
    expect((await stage.admin.account(id)).health.status).toBe('healthy')

  describe('scheduling', () => {
    beforeEach(() => {
      for (const name of ['a', 'b']) stage.upstream.behave(`sk-ant-${name}`, anthropicJson())
    })

    it('keeps a session on its account, leaves it when it fails, and returns when it is well', async () => {
      const first = await stage.addAccount('sk-ant-a', { priority: 1 })
      await stage.addAccount('sk-ant-b', { priority: 2 })
      const { id, key } = await stage.admin.createKey()
      const send = () => sendMessage(stage.host, key, messageBody(), inSession('one'))
      await (await send()).text()
      stage.upstream.behave('sk-ant-a', overloaded, anthropicJson())
      for (let i = 0; i < 2; i++) expect((await send()).status).toBe(200)
      await stage.admin.request('POST', `/accounts/claude-console/${first}/reset-rate-limit`)
      expect((await send()).status).toBe(200)
      expect(served()).toBe('aabba')
      await eventually(async () =>
        expect((await stage.admin.stats(id)).total).toMatchObject({ requests: 4, sessionMoves: 2 }),
      )
    })

    it('stops using an account whose daily quota is spent, and says when the last one resets', async () => {
      const quota = { dailyQuota: 0.000001, quotaResetTime: '12:00' }
      const first = await stage.addAccount('sk-ant-a', { priority: 1, ...quota })
      await stage.addAccount('sk-ant-b', { priority: 2, ...quota })
      const { id, key } = await stage.admin.createKey()
      for (const requests of [1, 2]) {
        expect((await sendMessage(stage.host, key)).status).toBe(200)
        await eventually(async () =>
          expect((await stage.admin.stats(id)).total.requests).toBe(requests),
        )
      }
      expect(served()).toBe('ab')
      const response = await sendMessage(stage.host, key)
      expect(response.status).toBe(429)
      expect(response.headers.get('x-should-retry')).toBe('false')
      const error = await errorOf(response)
      expect(error).toMatchObject({ type: 'rate_limit_error' })
      expect(error.message).toContain('over their quota of the day')
      const path = `/accounts/claude-console/${first}/availability`
      const { json: availability } = await stage.admin.request('GET', path)
      const [reason] = availability.reasons
      expect(reason).toMatchObject({ code: 'over_quota', endsBy: 'time' })
      const waitSeconds = Number(response.headers.get('retry-after'))
      const resetSeconds = (Date.parse(reason.until) - Date.now()) / 1000
      expect(Math.abs(waitSeconds - resetSeconds)).toBeLessThan(5)
    })

    it('gives a dedicated account to the keys that are bound to it, and to no other', async () => {
      const dedicated = { accountType: 'dedicated', priority: 1 }
      const account = await stage.addAccount('sk-ant-a', dedicated)
      const bound = await stage.admin.createKey({ claudeConsoleAccountId: account })
      const free = await stage.admin.createKey()
      const refused = await sendMessage(stage.host, free.key)
      expect(refused.status).toBe(503)
      expect((await errorOf(refused)).message).toContain('dedicated')
      await stage.addAccount('sk-ant-b')
      for (const { key } of [bound, free, bound]) {
        expect((await sendMessage(stage.host, key)).status).toBe(200)
      }
      expect(served()).toBe('aba')
      await stage.admin.deleteKey(bound.id)
    })

    it('brings a request back to the account that issued the state of its turn', async () => {
      await stage.addAccount('sk-ant-a', { priority: 1 })
      await stage.addAccount('sk-ant-b', { priority: 2 })
      const { id, key } = await stage.admin.createKey()
      const stateful: Behaviour = (exchange) => {
        exchange.response.setHeader('x-codex-turn-state', 'turn one')
        return anthropicJson()(exchange)
      }
      stage.upstream.behave('sk-ant-a', json(500, {}), overloaded)
      stage.upstream.behave('sk-ant-b', stateful)
      const issued = (await sendMessage(stage.host, key)).headers.get('x-codex-turn-state') ?? ''
      expect(issued).toBe('turn one')
      await eventually(async () => expect((await stage.admin.stats(id)).total.requests).toBe(1))
      const again = { headers: { 'x-codex-turn-state': issued } }
      expect((await sendMessage(stage.host, key, messageBody(), again)).status).toBe(200)
      // It is asked again itself, although the other account is free.
      stage.upstream.behave('sk-ant-b', overloaded, stateful)
      expect((await sendMessage(stage.host, key, messageBody(), again)).status).toBe(200)
      expect(served()).toBe('abbbb')
      stage.upstream.behave('sk-ant-b', json(401, {}))
      const refused = await sendMessage(stage.host, key, messageBody(), again)
      expect(refused.status).toBe(503)
      expect(served()).toBe('abbbbb')
    })

    it('lets one family of models rest alone when its vendor limits it', async () => {
      const account = await stage.addAccount('sk-ant-a')
      const { key } = await stage.admin.createKey()
      const error = { type: 'rate_limit_error', message: 'Slow down' }
      const limited = json(429, { error }, { 'retry-after': '60' })
      stage.upstream.behave('sk-ant-a', limited, anthropicJson())
      const ask = (model: string) => sendMessage(stage.host, key, messageBody({ model }))
      expect((await ask('claude-opus-4-5')).status).toBe(429)
      expect((await ask('claude-haiku-4-5')).status).toBe(200)
      expect((await ask('claude-opus-4-5')).status).toBe(429)
      expect(served()).toBe('aa')
      const { health } = await stage.admin.account(account)
      expect(health.cooldowns).toMatchObject([{ models: 'opus', reason: 'rate_limited' }])
    })

    it('keeps a streaming client alive with comments while accounts are slow or fail', async () => {
      const host = await stage.start({
        STREAM_KEEPALIVE_SECONDS: '1',
        UPSTREAM_FIRST_BYTE_TIMEOUT_SECONDS: '2',
      })
      try {
        const admin = await logIn(host)
        const apiUrl = stage.upstream.url
        await admin.createAccount({ apiUrl, apiKey: 'sk-ant-a', priority: 1 })
        await admin.createAccount({ apiUrl, apiKey: 'sk-ant-b', priority: 2 })
        const { key } = await admin.createKey()
        stage.upstream.behave('sk-ant-a', after(1_500, overloaded))
        stage.upstream.behave('sk-ant-b', anthropicStream())
        const response = await sendMessage(host, key, messageBody({ stream: true }))
        expect(response.status).toBe(200)
        expect(response.headers.get('content-type')).toContain('text/event-stream')
        const text = await response.text()
        expect(text).toMatch(/^(: [^\n]*\n\n)+event: message_start\n/)
        expect(text.match(/message_start"/g)).toHaveLength(1)
        expect(text).toMatch(/message_stop"}\n\n$/)
      } finally {
        await host.close()
      }
    })

    it('goes through the proxy of an account, or says that this host cannot', async () => {
      const proxy = await startProxy('http', { needsAuth: true })
      try {
        const { protocol, host, port } = proxy.outbound()
        const auth = { username: credentials.username, password: credentials.password }
        const account = await stage.addAccount('sk-ant-a', {
          proxy: { protocol, host, port, auth },
        })
        const { key } = await stage.admin.createKey()
        const response = await sendMessage(stage.host, key)
        const path = `/accounts/claude-console/${account}/availability`
        const { json: availability } = await stage.admin.request('GET', path)
        if (stage.host.canProxy) {
          expect(response.status).toBe(200)
          expect(proxy.targets).toEqual([new URL(stage.upstream.url).host])
          expect(availability).toMatchObject({ available: true, reasons: [] })
          await proxy.close()
          await stage.addAccount('sk-ant-b')
          expect((await sendMessage(stage.host, key)).status).toBe(200)
          const { health } = await stage.admin.account(account)
          expect(health).toMatchObject({ status: 'cooling', reason: 'proxy_failed' })
        } else {
          expect(response.status).toBe(503)
          expect((await errorOf(response)).message).toContain('(proxy)')
          expect(availability.reasons).toMatchObject([{ code: 'proxy_unsupported' }])
          await healthy(account)
        }
      } finally {
        await proxy.close().catch(() => {})
      }
    })
  })
}
