import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { eventually, logIn, messageBody, sendMessage } from '../hosts/client.ts'
import { journeySettings } from '../hosts/host.ts'
import {
  anthropicJson,
  anthropicStream,
  startUpstream,
  type Upstream,
} from '../support/upstream.ts'
import { type GatewayProcess, newDataDir, startAndFail, startProcess } from './process.ts'

let upstream: Upstream
let dataDir: string
let running: GatewayProcess[]

beforeEach(async () => {
  upstream = await startUpstream()
  dataDir = newDataDir()
  running = []
})
afterEach(async () => {
  await Promise.all(running.map((gateway) => gateway.end('SIGKILL')))
  await upstream.close()
  rmSync(dataDir, { recursive: true, force: true })
})

async function start(settings: Record<string, string> = {}) {
  const gateway = await startProcess({ DATA_DIR: dataDir, ...settings })
  running.push(gateway)
  return gateway
}

const asHost = ({ url }: GatewayProcess, adminPassword = journeySettings.ADMIN_PASSWORD) => ({
  url,
  adminPassword,
  log: [],
  restart: async () => {},
  close: async () => {},
})

describe('the first start', () => {
  it('makes its secrets for the owner only and prints a password once, with steps that work', async () => {
    const first = await start({ ADMIN_PASSWORD: '' })
    const password = await eventually(async () => {
      const printed = /admin password {2}(\S+)/.exec(first.stderr())?.[1] ?? ''
      expect(printed.length).toBeGreaterThanOrEqual(20)
      return printed
    })
    expect(statSync(dataDir).mode & 0o777).toBe(0o700)
    for (const file of readdirSync(dataDir)) {
      expect([file, statSync(join(dataDir, file)).mode & 0o077]).toEqual([file, 0])
    }
    const printed = first.stderr()
    const steps = printed
      .slice(printed.indexOf('TOKEN='))
      .replace(/^\d\. .*$/gm, '')
      .replace('https://api.anthropic.com', upstream.url)
    const output = execFileSync('sh', ['-ec', steps], { encoding: 'utf8' })
    const key = /"key":"(cr_\w+)"/.exec(output)?.[1] ?? ''
    expect((await sendMessage(asHost(first), key)).status).toBe(200)
    expect(first.stdout()).not.toContain(password)

    expect(await first.end('SIGTERM')).toBe(0)
    const second = await start({ ADMIN_PASSWORD: '' })
    expect(second.stderr()).toBe('')
    await logIn(asHost(second, password))
    expect((await sendMessage(asHost(second), key)).status).toBe(200)
  })
})

describe('a start that cannot succeed', () => {
  it('reports every wrong setting at once, by name', async () => {
    const { code, stderr } = await startAndFail({
      DATA_DIR: dataDir,
      PORT: 'x',
      TIMEZONE: 'Mars/Base',
      ENCRYPTION_KEY: 'short',
    })
    expect(code).toBe(1)
    for (const name of ['PORT', 'TIMEZONE', 'ENCRYPTION_KEY']) expect(stderr).toContain(`${name}:`)
    expect(stderr).not.toContain('    at ')
  })

  it('names REDIS_URL when Redis is out of reach, without its password', async () => {
    const { code, stderr } = await startAndFail({
      DATA_DIR: dataDir,
      REDIS_URL: 'redis://user:secret@127.0.0.1:1',
    })
    expect(code).toBe(1)
    expect(stderr).toMatch(/REDIS_URL.*127\.0\.0\.1:1/)
    expect(stderr).not.toContain('secret')
  })

  it('refuses a store that was sealed with another ENCRYPTION_KEY', async () => {
    const first = await start({ ENCRYPTION_KEY: '11'.repeat(32) })
    await first.end('SIGTERM')
    const { code, stderr } = await startAndFail({
      DATA_DIR: dataDir,
      ENCRYPTION_KEY: '22'.repeat(32),
    })
    expect(code).toBe(1)
    expect(stderr).toContain('ENCRYPTION_KEY')
  })

  it('refuses damaged secrets instead of making new ones', async () => {
    await (await start()).end('SIGTERM')
    writeFileSync(join(dataDir, 'secrets.json'), '{"JWT_SECRET":')
    const { code, stderr } = await startAndFail({ DATA_DIR: dataDir })
    expect(code).toBe(1)
    expect(stderr).toMatch(/DATA_DIR.*secrets\.json/)
    expect(readFileSync(join(dataDir, 'secrets.json'), 'utf8')).toBe('{"JWT_SECRET":')
  })

  it('names PORT when it is taken', async () => {
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const address = other.address()
    const port = typeof address === 'object' ? String(address?.port) : ''
    const { code, stderr } = await startAndFail({ DATA_DIR: dataDir, PORT: port })
    other.close()
    expect(code).toBe(1)
    expect(stderr).toContain('PORT')
  })
})

describe('an end', () => {
  it('SIGTERM lets a running stream and its settlement finish', async () => {
    const gateway = await start({ DRAIN_TIMEOUT_SECONDS: '10' })
    const admin = await logIn(asHost(gateway))
    await admin.createAccount({ apiUrl: upstream.url, apiKey: 'sk-ant-a' })
    const { id, key } = await admin.createKey()
    upstream.behave('sk-ant-a', anthropicStream({ delayMs: 100 }))
    const response = await sendMessage(asHost(gateway), key, messageBody({ stream: true }))
    const ended = gateway.end('SIGTERM')
    expect(await response.text()).toContain('message_stop')
    expect(await ended).toBe(0)
    const again = await logIn(asHost(await start()))
    expect((await again.stats(id)).total).toMatchObject({ requests: 1, estimatedRequests: 0 })
  })

  it('SIGTERM breaks a stream off after the drain time, and books it', async () => {
    const gateway = await start({ DRAIN_TIMEOUT_SECONDS: '1' })
    const admin = await logIn(asHost(gateway))
    await admin.createAccount({ apiUrl: upstream.url, apiKey: 'sk-ant-a' })
    const { id, key } = await admin.createKey()
    const deltas = Array.from({ length: 1_000 }, () => 'more')
    upstream.behave('sk-ant-a', anthropicStream({ deltas, delayMs: 20 }))
    const response = await sendMessage(asHost(gateway), key, messageBody({ stream: true }))
    const text = response.text().catch(() => 'broken')
    expect(await gateway.end('SIGTERM')).toBe(0)
    expect(await text).not.toContain('message_stop')
    const again = await logIn(asHost(await start()))
    expect((await again.stats(id)).total).toMatchObject({ requests: 1, estimatedRequests: 1 })
  })

  it('kill -9 during 50 streams: the books equal what the upstream finished, plus orphans', async () => {
    const settings = { LEASE_SECONDS: '2' }
    const gateway = await start(settings)
    const admin = await logIn(asHost(gateway))
    await admin.createAccount({ apiUrl: upstream.url, apiKey: 'sk-ant-a' })
    const { id, key } = await admin.createKey({ concurrencyLimit: 50 })
    const usage = { input_tokens: 12, output_tokens: 40 }
    const deltas = Array.from({ length: 20 }, () => 'text')
    const script = (delayMs: number) => anthropicStream({ deltas, usage, delayMs })
    upstream.behave('sk-ant-a', ...Array.from({ length: 50 }, (_, i) => script(1 + 2 * i)))
    const streams = Array.from({ length: 50 }, async () => {
      const body = messageBody({ stream: true })
      const response = await sendMessage(asHost(gateway), key, body)
      return response.text()
    })
    const settled = Promise.allSettled(streams)
    await eventually(async () => {
      const completed = upstream.served.filter((served) => served.completed).length
      expect(completed).toBeGreaterThan(15)
    })
    await gateway.end('SIGKILL')
    await settled
    const finished = upstream.served.filter((served) => served.completed).length
    expect(finished).toBeLessThan(50)

    const survivor = await start(settings)
    const again = await logIn(asHost(survivor))
    const { total } = await eventually(async () => {
      const stats = await again.stats(id)
      expect(stats.total.requests).toBe(50)
      return stats
    }, 10_000)
    const booked = 50 - total.orphanedRequests
    expect(total.orphanedRequests).toBeGreaterThanOrEqual(50 - finished)
    // A stream the upstream finished in its last moment may not have been booked any more.
    expect(booked).toBeGreaterThan(finished - 5)
    expect(total.inputTokens).toBe(12 * booked)
    expect(total.outputTokens).toBe(40 * booked)
    expect(total.estimatedRequests).toBe(0)

    upstream.behave('sk-ant-a', anthropicJson())
    const fresh = await Promise.all(
      Array.from({ length: 50 }, () => sendMessage(asHost(survivor), key)),
    )
    expect(fresh.map((response) => response.status)).toEqual(Array(50).fill(200))
  })
})
