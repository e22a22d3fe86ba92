/** Journeys of an admin whose edits must be obeyed by the very next request. */
import { describe, expect, it } from 'vitest'
import { anthropicJson } from '../../support/upstream.ts'
import { eventually, logIn, sendMessage } from '../client.ts'
import type { Stage } from '../journeys.ts'

export function administrationJourneys(stage: Stage): void {
  describe('administration', () => {
    it('obeys an edit on the next request', async () => {
      const { id, key } = await stage.admin.createKey()
      expect((await sendMessage(stage.host, key)).status).toBe(503)
      await stage.addAccount('sk-ant-a')
      stage.upstream.behave('sk-ant-a', anthropicJson())
      expect((await sendMessage(stage.host, key)).status).toBe(200)
      await stage.clearAccounts()
      expect((await sendMessage(stage.host, key)).status).toBe(503)
      await stage.admin.deleteKey(id)
      expect((await sendMessage(stage.host, key)).status).toBe(401)
    })

    it('is healthy, and says how long the store takes', async () => {
      const response = await fetch(`${stage.host.url}/health`)
      expect(response.status).toBe(200)
      expect(await response.json()).toMatchObject({
        status: 'ok',
        store: { latencyMs: expect.any(Number) },
      })
    })

    it('serves its documentation, script and style included', async () => {
      const paths = ['/openapi.json', '/docs', '/docs/script.js', '/docs/style.css']
      for (const path of paths) {
        const response = await fetch(stage.host.url + path)
        expect([path, response.status]).toEqual([path, 200])
        expect(response.headers.get('content-security-policy')).toContain("default-src 'none'")
        expect((await response.text()).length).toBeGreaterThan(500)
      }
    })

    it('ends a session at its logout, and no other', async () => {
      const [one, other] = [await logIn(stage.host), await logIn(stage.host)]
      expect((await one.request('POST', '/auth/logout')).status).toBe(204)
      expect((await one.request('GET', '/auth/me')).status).toBe(401)
      expect((await other.request('GET', '/auth/me')).status).toBe(200)
    })

    it('makes whoever guesses passwords wait, by the name and by the address', async () => {
      const host = await stage.start()
      try {
        const guess = (username: string) =>
          fetch(`${host.url}/api/v2/auth/admin/login`, {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify({ username, password: 'guessed' }),
          })
        // The first waits are short, and a busy machine may take longer for a guess.
        const untilRefused = async (username: string) => {
          const statuses: number[] = []
          while (statuses.at(-1) !== 429 && statuses.length < 15) {
            statuses.push((await guess(username)).status)
          }
          return statuses
        }
        const statuses = await untilRefused('admin')
        expect(statuses.slice(0, 5)).toEqual([401, 401, 401, 401, 401])
        expect(statuses.at(-1)).toBe(429)
        expect((await untilRefused('another name')).at(-1)).toBe(429)
      } finally {
        await host.close()
      }
    })

    it('keeps keys, accounts and usage over a restart', async () => {
      const host = await stage.start()
      try {
        const admin = await logIn(host)
        const account = { apiUrl: stage.upstream.url, apiKey: 'sk-ant-restart' }
        await admin.createAccount(account)
        stage.upstream.behave('sk-ant-restart', anthropicJson())
        const { id, key } = await admin.createKey()
        expect((await sendMessage(host, key)).status).toBe(200)
        await eventually(async () => expect((await admin.stats(id)).total.requests).toBe(1))
        await host.restart()
        expect((await sendMessage(host, key)).status).toBe(200)
        const again = await logIn(host)
        await eventually(async () => expect((await again.stats(id)).total.requests).toBe(2))
      } finally {
        await host.close()
      }
    })

    it('never logs a key, a credential or a password', async () => {
      const log = stage.host.log.join('\n')
      expect(log).not.toMatch(/cr_[A-Za-z0-9]{20,}/)
      expect(log).not.toContain('sk-ant-')
      expect(log).not.toContain(stage.host.adminPassword)
    })
  })
}
