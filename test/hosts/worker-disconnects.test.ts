import { describe, expect, it, onTestFinished } from 'vitest'
import type { Engine } from '../../src/store/redis.ts'
import { has } from '../support/lanes.ts'
import { anthropicStream, startUpstream } from '../support/upstream.ts'
import { eventually, logIn, messageBody, sendMessage } from './client.ts'
import { describeDisconnects } from './disconnects.ts'
import { startWorkerHost } from './worker.ts'

const inWorkerd = describe.runIf(has('workerd'))

inWorkerd('the Workers host', () => {
  describeDisconnects('clients that leave workerd', (settings) => startWorkerHost(settings))
})

/** A store to which no final settlement ever gets through. */
const withoutSettlement = (engine: Engine): Engine => ({
  ...engine,
  request: (request) =>
    JSON.stringify(request.body).includes('"final"')
      ? Promise.reject(new Error('lost'))
      : engine.request(request),
})

// Side by side: one of them waits for more than a minute.
inWorkerd.concurrent('workerd', () => {
  const start = async (...options: Parameters<typeof startWorkerHost>) => {
    const upstream = await startUpstream()
    const host = await startWorkerHost(...options)
    onTestFinished(async () => {
      await host.close()
      await upstream.close()
    })
    const admin = await logIn(host)
    await admin.createAccount({ apiUrl: upstream.url, apiKey: 'sk-ant-a' })
    return { host, upstream, admin, ...(await admin.createKey({ concurrencyLimit: 1 })) }
  }

  it('charges an orphan, never nothing, when no settlement gets through', async () => {
    const { host, upstream, admin, id, key } = await start(
      { LEASE_SECONDS: '1' },
      withoutSettlement,
    )
    upstream.respond(anthropicStream())
    const response = await sendMessage(host, key, messageBody({ stream: true }))
    expect(await response.text()).toContain('message_stop')
    const { total } = await eventually(async () => {
      const stats = await admin.stats(id)
      expect(stats.total.orphanedRequests).toBe(1)
      return stats
    })
    expect(total.requests).toBe(1)
    expect(total.costUsd).toBeGreaterThan(0)
    expect((await sendMessage(host, key)).status).toBe(200)
  })

  it('settles a stream that ends more than a minute after its answer began', async () => {
    const { host, upstream, admin, id, key } = await start({ UPSTREAM_IDLE_TIMEOUT_SECONDS: '10' })
    const deltas = Array.from({ length: 40 }, () => 'slow')
    upstream.respond(anthropicStream({ deltas, delayMs: 1_500, usage: { output_tokens: 99 } }))
    const begun = Date.now()
    const response = await sendMessage(host, key, messageBody({ stream: true }))
    expect(await response.text()).toContain('message_stop')
    expect(Date.now() - begun).toBeGreaterThan(60_000)
    await eventually(async () =>
      expect((await admin.stats(id)).total).toMatchObject({ requests: 1, outputTokens: 99 }),
    )
  }, 180_000)
})
