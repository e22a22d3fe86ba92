import { describe, expect, it } from 'vitest'
import { eventually, logIn, messageBody, sendMessage } from '../hosts/client.ts'
import { has } from '../support/lanes.ts'
import { anthropicJson, anthropicStream, hang } from '../support/upstream.ts'
import { asHost, useProcesses } from './process.ts'

const stage = useProcesses()

describe.runIf(has('processes'))('an end', () => {
  it('SIGTERM lets a running stream and its settlement finish', async () => {
    const gateway = await stage.start({ DRAIN_TIMEOUT_SECONDS: '10' })
    const admin = await logIn(asHost(gateway))
    await admin.createAccount({ apiUrl: stage.upstream.url, apiKey: 'sk-ant-a' })
    const { id, key } = await admin.createKey()
    stage.upstream.behave('sk-ant-a', anthropicStream({ delayMs: 100 }))
    const response = await sendMessage(asHost(gateway), key, messageBody({ stream: true }))
    const ended = gateway.end('SIGTERM')
    expect(await response.text()).toContain('message_stop')
    expect(await ended).toBe(0)
    const again = await logIn(asHost(await stage.start()))
    expect((await again.stats(id)).total).toMatchObject({ requests: 1, estimatedRequests: 0 })
  })

  it('SIGTERM ends a stream with an error event after the drain time, and charges it', async () => {
    const gateway = await stage.start({ DRAIN_TIMEOUT_SECONDS: '1' })
    const admin = await logIn(asHost(gateway))
    await admin.createAccount({ apiUrl: stage.upstream.url, apiKey: 'sk-ant-a' })
    const { id, key } = await admin.createKey()
    const deltas = Array.from({ length: 1_000 }, () => 'more')
    stage.upstream.behave('sk-ant-a', anthropicStream({ deltas, delayMs: 20 }))
    const response = await sendMessage(asHost(gateway), key, messageBody({ stream: true }))
    const text = response.text().catch(() => 'broken')
    expect(await gateway.end('SIGTERM')).toBe(0)
    const received = await text
    expect(received).not.toContain('message_stop')
    const [last = ''] = received.trimEnd().split('\n\n').slice(-1)
    expect(last).toMatch(/^event: error\ndata: \{"type":"error","error":\{"type":"api_error"/)
    expect(last).toContain('The gateway is stopping')
    const again = await logIn(asHost(await stage.start()))
    expect((await again.stats(id)).total).toMatchObject({ requests: 1, estimatedRequests: 1 })
  })

  it('SIGTERM charges the JSON requests it breaks off, and no account suffers for it', async () => {
    const gateway = await stage.start({ DRAIN_TIMEOUT_SECONDS: '0' })
    const admin = await logIn(asHost(gateway))
    const account = await admin.createAccount({ apiUrl: stage.upstream.url, apiKey: 'sk-ant-a' })
    const { id, key } = await admin.createKey()
    stage.upstream.behave('sk-ant-a', hang())
    const asked = Array.from({ length: 5 }, () =>
      sendMessage(asHost(gateway), key).catch(() => undefined),
    )
    await eventually(async () => expect(stage.upstream.requests).toHaveLength(5))
    expect(await gateway.end('SIGTERM')).toBe(0)
    for (const response of await Promise.all(asked)) {
      expect(response?.status).toBe(503)
      expect(response?.headers.get('retry-after')).toBe('1')
      expect(await response?.json()).toMatchObject({ type: 'error', error: { type: 'api_error' } })
    }
    const again = await logIn(asHost(await stage.start()))
    expect((await again.stats(id)).total).toMatchObject({ requests: 5, estimatedRequests: 5 })
    expect((await again.account(account.id)).health.status).toBe('healthy')
  })

  it('SIGTERM ends a stream that still waits for its first event with an error event', async () => {
    const settings = { DRAIN_TIMEOUT_SECONDS: '0', STREAM_KEEPALIVE_SECONDS: '1' }
    const gateway = await stage.start(settings)
    const admin = await logIn(asHost(gateway))
    await admin.createAccount({ apiUrl: stage.upstream.url, apiKey: 'sk-ant-a' })
    const { key } = await admin.createKey()
    stage.upstream.behave('sk-ant-a', hang())
    const response = await sendMessage(asHost(gateway), key, messageBody({ stream: true }))
    expect(response.status).toBe(200)
    const text = response.text()
    expect(await gateway.end('SIGTERM')).toBe(0)
    expect(await text).toMatch(/event: error\ndata: .*The gateway is stopping.*\n\n$/)
  })

  it('kill -9 during 50 streams: the usage ledger equal what the upstream finished, plus orphans', async () => {
    // No stream may fail only because the machine is busy.
    const patience = {
      UPSTREAM_FIRST_BYTE_TIMEOUT_SECONDS: '60',
      UPSTREAM_IDLE_TIMEOUT_SECONDS: '60',
    }
    // A place that is not given back shows at once.
    const settings = { LEASE_SECONDS: '2', CONCURRENCY_WAIT_SECONDS: '0', ...patience }
    const gateway = await stage.start(settings)
    const admin = await logIn(asHost(gateway))
    await admin.createAccount({ apiUrl: stage.upstream.url, apiKey: 'sk-ant-a' })
    const { id, key } = await admin.createKey({ concurrencyLimit: 50 })
    const usage = { input_tokens: 12, output_tokens: 40 }
    const deltas = Array.from({ length: 20 }, () => 'text')
    const ending = (delayMs: number) => anthropicStream({ deltas, usage, delayMs })
    const endless = anthropicStream({ deltas, usage, stallAfterEvents: 10 })
    const scripts = Array.from({ length: 50 }, (_, i) => (i < 35 ? ending(1 + 2 * i) : endless))
    stage.upstream.behave('sk-ant-a', ...scripts)
    const streams = Array.from({ length: 50 }, async () => {
      const body = messageBody({ stream: true })
      const response = await sendMessage(asHost(gateway), key, body)
      return response.text()
    })
    const settled = Promise.allSettled(streams)
    const chargedBefore = await eventually(async () => {
      expect(stage.upstream.requests).toHaveLength(50)
      const { requests, orphanedRequests } = (await admin.stats(id)).total
      expect(requests - orphanedRequests).toBeGreaterThan(10)
      return requests - orphanedRequests
    })
    await gateway.end('SIGKILL')
    await settled
    const finished = stage.upstream.served.filter((served) => served.completed).length

    const survivor = await stage.start(settings)
    const again = await logIn(asHost(survivor))
    const { total } = await eventually(async () => {
      const stats = await again.stats(id)
      expect(stats.total.requests).toBe(50)
      return stats
    })
    const charged = 50 - total.orphanedRequests
    expect(total.orphanedRequests).toBeGreaterThanOrEqual(50 - finished)
    // What was charged stays charged; streams that ended in the last moment may become orphans.
    expect(charged).toBeGreaterThanOrEqual(chargedBefore)
    expect(total.inputTokens).toBe(12 * charged)
    expect(total.outputTokens).toBe(40 * charged)
    expect(total.estimatedRequests).toBe(0)

    stage.upstream.behave('sk-ant-a', anthropicJson())
    const fresh = await Promise.all(
      Array.from({ length: 50 }, () => sendMessage(asHost(survivor), key)),
    )
    expect(fresh.map((response) => response.status)).toEqual(Array(50).fill(200))
  })
})
