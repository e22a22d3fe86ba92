/** Journeys of requests over the concurrency limit of their key, which wait for their turn. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { after, anthropicJson, anthropicStream, onCall } from '../../support/upstream.ts'
import { type AdminClient, eventually, logIn, messageBody, sendMessage } from '../client.ts'
import type { GatewayHost } from '../host.ts'
import type { Stage } from '../journeys.ts'

const streamed = messageBody({ stream: true })
/** Here an answer comes when the journey says so. */
const patient = { UPSTREAM_JSON_TIMEOUT_SECONDS: '60' }

export function queueJourneys(stage: Stage): void {
  describe('waiting for a turn', () => {
    /** Tells a streaming client after a second that it waits, so that a journey can see it. */
    let host: GatewayHost
    let admin: AdminClient
    let key: string

    beforeAll(async () => {
      host = await stage.start({ ...patient, STREAM_KEEPALIVE_SECONDS: '1' })
      admin = await logIn(host)
      await admin.createAccount({ apiUrl: stage.upstream.url, apiKey: 'sk-ant-queue' })
    })
    afterAll(() => host?.close())
    beforeEach(async () => {
      ;({ key } = await admin.createKey({ concurrencyLimit: 1 }))
      stage.upstream.requests.length = 0
    })

    /** Sends a request that is told that it waits; resolves to how it goes on. */
    const queue = async (signal?: AbortSignal) => {
      const response = await sendMessage(host, key, streamed, signal && { signal })
      const reader = response.body?.getReader()
      const { value } = (await reader?.read()) ?? {}
      expect(new TextDecoder().decode(value)).toMatch(/^: waiting/)
      return async () => {
        let text = ''
        for (;;) {
          const { done, value } = (await reader?.read()) ?? { done: true }
          if (done) return text
          text += new TextDecoder().decode(value)
        }
      }
    }

    it.each([
      ['messages', messageBody(), anthropicJson()],
      ['streams', streamed, anthropicStream()],
    ])('serves five parallel %s one by one, and refuses none', async (_, body, answer) => {
      stage.upstream.behave('sk-ant-queue', after(50, answer))
      const responses = await Promise.all(
        Array.from({ length: 5 }, () => sendMessage(host, key, body)),
      )
      const texts = await Promise.all(responses.map((response) => response.text()))
      expect(responses.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200])
      for (const text of texts) expect(text).not.toContain('rate_limit_error')
      expect(stage.upstream.requests).toHaveLength(5)
    })

    it('serves those who wait in the order in which they came', async () => {
      const first = onCall(anthropicJson())
      stage.upstream.behave('sk-ant-queue', first.behaviour, anthropicStream())
      const running = sendMessage(host, key)
      await eventually(async () => expect(stage.upstream.requests).toHaveLength(1))
      const second = await queue()
      const third = await queue()
      const ended: string[] = []
      const ends = [
        third().then((text) => ended.push(text.includes('message_stop') ? 'third' : text)),
        second().then((text) => ended.push(text.includes('message_stop') ? 'second' : text)),
      ]
      first.begin()
      expect((await running).status).toBe(200)
      await Promise.all(ends)
      expect(ended).toEqual(['second', 'third'])
    })

    it('passes over a client that has gone while it waited', async () => {
      const first = onCall(anthropicJson())
      stage.upstream.behave('sk-ant-queue', first.behaviour, anthropicJson())
      const running = sendMessage(host, key)
      await eventually(async () => expect(stage.upstream.requests).toHaveLength(1))
      const gone = new AbortController()
      await queue(gone.signal)
      gone.abort()
      await eventually(async () => expect(host.log.join('')).toContain('client_closed'))
      const last = sendMessage(host, key)
      first.begin()
      expect((await running).status).toBe(200)
      expect((await last).status).toBe(200)
      expect(stage.upstream.requests).toHaveLength(2)
    })

    it('refuses with 429 whose turn has not come in time', async () => {
      const impatient = await stage.start({ ...patient, CONCURRENCY_WAIT_SECONDS: '1' })
      try {
        const { createAccount, createKey } = await logIn(impatient)
        await createAccount({ apiUrl: stage.upstream.url, apiKey: 'sk-ant-slow' })
        const { key } = await createKey({ concurrencyLimit: 1 })
        const first = onCall(anthropicJson())
        stage.upstream.behave('sk-ant-slow', first.behaviour)
        const running = sendMessage(impatient, key)
        await eventually(async () => expect(stage.upstream.requests).toHaveLength(1))
        const refused = await sendMessage(impatient, key)
        first.begin()
        expect((await running).status).toBe(200)
        expect(refused.status).toBe(429)
        expect(refused.headers.get('retry-after')).toBe('1')
        expect(await refused.json()).toMatchObject({ error: { type: 'rate_limit_error' } })
      } finally {
        await impatient.close()
      }
    })

    it('admits exactly as many parallel requests as the key may have in flight', async () => {
      const strict = await stage.start({ ...patient, CONCURRENCY_WAIT_SECONDS: '0' })
      try {
        const { createAccount, createKey } = await logIn(strict)
        await createAccount({ apiUrl: stage.upstream.url, apiKey: 'sk-ant-strict' })
        const { key } = await createKey({ concurrencyLimit: 3 })
        const answer = onCall(anthropicJson())
        stage.upstream.behave('sk-ant-strict', answer.behaviour)
        const sent = Array.from({ length: 12 }, () => sendMessage(strict, key))
        let answered = 0
        for (const each of sent) each.finally(() => answered++).catch(() => {})
        await eventually(async () => expect(answered).toBe(9))
        answer.begin()
        const responses = await Promise.all(sent)
        const statuses = responses.map((response) => response.status)
        expect(statuses.filter((status) => status === 200)).toHaveLength(3)
        expect(statuses.filter((status) => status === 429)).toHaveLength(9)
        const refused = responses.find((response) => response.status === 429)
        expect(refused?.headers.get('retry-after')).toBe('1')
        expect(await refused?.json()).toMatchObject({ error: { type: 'rate_limit_error' } })
        await eventually(async () => expect((await sendMessage(strict, key)).status).toBe(200))
      } finally {
        await strict.close()
      }
    })
  })
}
