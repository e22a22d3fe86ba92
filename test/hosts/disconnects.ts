/** What every host must do when many clients leave: settle each request once, and leak nothing. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { anthropicStream, startUpstream, type Upstream } from '../support/upstream.ts'
import { type AdminClient, eventually, logIn, messageBody, sendMessage } from './client.ts'
import type { GatewayHost, StartHost } from './host.ts'

const clients = 200

/** A machine so busy that it keeps hundreds of streams waiting must not make their upstream fail. */
const settings = {
  LOG_LEVEL: 'info',
  // A place that is not given back shows at once.
  CONCURRENCY_WAIT_SECONDS: '0',
  UPSTREAM_FIRST_BYTE_TIMEOUT_SECONDS: '60',
  UPSTREAM_IDLE_TIMEOUT_SECONDS: '60',
}

export function describeDisconnects(name: string, start: StartHost): void {
  describe(name, () => {
    let host: GatewayHost
    let admin: AdminClient
    let upstream: Upstream

    beforeAll(async () => {
      upstream = await startUpstream()
      host = await start(settings)
      admin = await logIn(host)
      await admin.createAccount({ apiUrl: upstream.url, apiKey: 'sk-ant-a' })
    })
    afterAll(async () => {
      await host?.close()
      await upstream?.close()
    })

    it(`settles ${clients} streams exactly once each, whose clients leave at any moment`, async () => {
      const { id, key } = await admin.createKey({ concurrencyLimit: clients })
      const deltas = Array.from({ length: 1_000 }, () => 'twelve chars')
      upstream.respond(anthropicStream({ deltas, delayMs: 20, usage: { output_tokens: 600 } }))
      const leaveOne = async (index: number) => {
        const leave = new AbortController()
        const body = messageBody({ stream: true })
        const response = await sendMessage(host, key, body, { signal: leave.signal })
        expect(response.status).toBe(200)
        const reader = response.body?.getReader()
        for (let chunks = 0; chunks <= index % 20; chunks++) await reader?.read()
        leave.abort()
      }
      await Promise.all(Array.from({ length: clients }, (_, index) => leaveOne(index)))
      const aborted = await Promise.all(upstream.requests.map((request) => request.aborted))
      expect(aborted).toEqual(Array(clients).fill(true))
      const { total } = await eventually(async () => {
        const stats = await admin.stats(id)
        expect(stats.total.requests).toBe(clients)
        return stats
      })
      expect(total).toMatchObject({ estimatedRequests: clients, orphanedRequests: 0 })
      expect(total.inputTokens).toBe(12 * clients)
      // What was seen is charged: never less than what reached the client, never the whole answer.
      expect(total.outputTokens).toBeGreaterThan(clients)
      expect(total.outputTokens).toBeLessThan(600 * clients)
    })

    it('has as many places free afterwards as before', async () => {
      const { id, key } = await admin.createKey({ concurrencyLimit: 20 })
      upstream.respond(anthropicStream())
      for (let round = 0; round < 3; round++) {
        const body = messageBody({ stream: true })
        const responses = await Promise.all(
          Array.from({ length: 20 }, () => sendMessage(host, key, body)),
        )
        expect(responses.map((response) => response.status)).toEqual(Array(20).fill(200))
        const leave = responses.map((response) => response.body?.cancel())
        await Promise.all(leave)
        await eventually(async () =>
          expect((await admin.stats(id)).total.requests).toBe(20 * (round + 1)),
        )
      }
    })
  })
}
