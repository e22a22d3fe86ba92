/** Journeys along the limits of a key and the choice of an account. */
import { describe, expect, it } from 'vitest'
import { after, anthropicJson } from '../../support/upstream.ts'
import { eventually, messageBody, sendMessage } from '../client.ts'
import type { Stage } from '../journeys.ts'

export function limitJourneys(stage: Stage): void {
  describe('limits and scheduling', () => {
    it('refuses what exceeds the request window, names its end and asks not to wait', async () => {
      await stage.addAccount('sk-ant-a')
      const limits = { rateLimitWindow: 60, rateLimitRequests: 2 }
      const { key } = await stage.admin.createKey(limits)
      stage.upstream.behave('sk-ant-a', anthropicJson())
      expect((await sendMessage(stage.host, key)).status).toBe(200)
      expect((await sendMessage(stage.host, key)).status).toBe(200)
      const refused = await sendMessage(stage.host, key)
      expect(refused.status).toBe(429)
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(3_500)
      expect(refused.headers.get('x-should-retry')).toBe('false')
      expect(await refused.text()).toMatch(/2 of 2 requests.*resets at/)
    })

    it('stops a key whose budget is spent, says so once, and asks not to repeat', async () => {
      await stage.addAccount('sk-ant-a')
      const { id, key } = await stage.admin.createKey({ dailyCostLimit: 0.01 })
      const usage = { input_tokens: 10_000, output_tokens: 0 }
      stage.upstream.behave('sk-ant-a', anthropicJson({ usage }))
      expect((await sendMessage(stage.host, key)).status).toBe(200)
      await eventually(async () => expect((await stage.admin.stats(id)).total.requests).toBe(1))
      const refused = await sendMessage(stage.host, key)
      expect(refused.status).toBe(429)
      expect(refused.headers.get('x-should-retry')).toBe('false')
      expect(await refused.json()).toMatchObject({
        error: {
          type: 'billing_error',
          message: expect.stringMatching(
            /spent \$0\.03 of its daily limit of \$0\.01; it resets at 20/,
          ),
        },
      })
    })

    it('never lets parallel requests overshoot a budget by more than one of them costs', async () => {
      await stage.addAccount('sk-ant-a')
      const { id, key } = await stage.admin.createKey({ totalCostLimit: 0.02 })
      // 3 USD a million in and 15 out: a request costs 0.003, and as much is held for it.
      const usage = { input_tokens: 0, output_tokens: 200 }
      stage.upstream.behave('sk-ant-a', after(50, anthropicJson({ usage })))
      const body = messageBody({ max_tokens: 200 })
      for (let round = 0; round < 4; round++) {
        await Promise.all(Array.from({ length: 20 }, () => sendMessage(stage.host, key, body)))
      }
      await eventually(async () => {
        const { total } = await stage.admin.stats(id)
        expect(total.costUsd).toBeGreaterThanOrEqual(0.017)
        expect(total.costUsd).toBeLessThanOrEqual(0.0231)
      })
    })

    it('serves only the models and programs that a key is restricted to', async () => {
      await stage.addAccount('sk-ant-a')
      stage.upstream.behave('sk-ant-a', anthropicJson())
      const { key } = await stage.admin.createKey({
        enableModelRestriction: true,
        restrictedModels: ['claude-haiku-*', 'claude-sonnet-4-6'],
        enableClientRestriction: true,
        allowedClients: ['anthropic_sdk'],
      })
      const ask = async (model: string, agent: string) => {
        const headers = { 'user-agent': agent }
        const response = await sendMessage(stage.host, key, messageBody({ model }), { headers })
        return response.status
      }
      expect(await ask('claude-sonnet-4-6', 'Anthropic/JS 1.0')).toBe(200)
      expect(await ask('claude-haiku-4-5', 'Anthropic/JS 1.0')).toBe(200)
      expect(await ask('claude-opus-4-5', 'Anthropic/JS 1.0')).toBe(403)
      expect(await ask('claude-sonnet-4-6', 'curl/8')).toBe(403)
    })

    it('keeps a session on its account and moves others on, least recently picked first', async () => {
      await stage.addAccount('sk-ant-a')
      await stage.addAccount('sk-ant-b')
      const { key } = await stage.admin.createKey()
      stage.upstream.behave('sk-ant-a', anthropicJson())
      stage.upstream.behave('sk-ant-b', anthropicJson())
      const send = async (session: string) => {
        await sendMessage(stage.host, key, messageBody(), {
          headers: { 'x-claude-code-session-id': session },
        })
        return stage.upstream.requests.at(-1)?.credential
      }
      const first = await send('s1')
      const second = await send('s2')
      expect(second).not.toBe(first)
      for (let turn = 0; turn < 3; turn++) {
        expect(await send('s1')).toBe(first)
        expect(await send('s2')).toBe(second)
      }
    })

    it('serves the lower priority number first and leaves inactive accounts alone', async () => {
      await stage.addAccount('sk-ant-a', { priority: 20 })
      await stage.addAccount('sk-ant-b', { priority: 10 })
      await stage.addAccount('sk-ant-c', { priority: 1, isActive: false })
      await stage.addAccount('sk-ant-d', { priority: 1, schedulable: false })
      const { key } = await stage.admin.createKey()
      stage.upstream.behave('sk-ant-b', anthropicJson())
      for (let sent = 0; sent < 3; sent++) await sendMessage(stage.host, key)
      expect(new Set(stage.upstream.requests.map((request) => request.credential))).toEqual(
        new Set(['sk-ant-b']),
      )
    })

    it('sends a bound key to its account only', async () => {
      const bound = await stage.addAccount('sk-ant-a', { accountType: 'dedicated' })
      await stage.addAccount('sk-ant-b', { priority: 1 })
      stage.upstream.behave('sk-ant-a', anthropicJson())
      stage.upstream.behave('sk-ant-b', anthropicJson())
      const { key } = await stage.admin.createKey({ claudeConsoleAccountId: bound })
      const { key: other } = await stage.admin.createKey()
      for (let sent = 0; sent < 2; sent++) await sendMessage(stage.host, key)
      for (let sent = 0; sent < 2; sent++) await sendMessage(stage.host, other)
      expect(stage.upstream.requests.map((request) => request.credential)).toEqual([
        'sk-ant-a',
        'sk-ant-a',
        'sk-ant-b',
        'sk-ant-b',
      ])
    })

    it('begins the life of a key at its first use', async () => {
      await stage.addAccount('sk-ant-a')
      stage.upstream.behave('sk-ant-a', anthropicJson())
      const { id, key } = await stage.admin.createKey({
        expirationMode: 'activation',
        activationDays: 2,
        activationUnit: 'hours',
      })
      expect((await stage.admin.request('GET', `/keys/${id}`)).json.activatedAt).toBeNull()
      expect((await sendMessage(stage.host, key)).status).toBe(200)
      expect((await stage.admin.request('GET', `/keys/${id}`)).json.activatedAt).toMatch(/^20/)
    })
  })
}
