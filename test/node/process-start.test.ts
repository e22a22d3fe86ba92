import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { eventually, logIn, sendMessage } from '../hosts/client.ts'
import { has } from '../support/lanes.ts'
import { asHost, startAndFail, useProcesses } from './process.ts'

const stage = useProcesses()

describe.runIf(has('processes'))('the first start', () => {
  it('makes its secrets for the owner only and prints a password once, with steps that work', async () => {
    const first = await stage.start({ ADMIN_PASSWORD: '' })
    const password = await eventually(async () => {
      const printed = /admin password {2}(\S+)/.exec(first.stderr())?.[1] ?? ''
      expect(printed.length).toBeGreaterThanOrEqual(20)
      return printed
    })
    expect(statSync(stage.dataDir).mode & 0o777).toBe(0o700)
    for (const file of readdirSync(stage.dataDir)) {
      expect([file, statSync(join(stage.dataDir, file)).mode & 0o077]).toEqual([file, 0])
    }
    const printed = first.stderr()
    const steps = printed
      .slice(printed.indexOf('TOKEN='))
      .replace(/^\d\. .*$/gm, '')
      .replace('https://api.anthropic.com', stage.upstream.url)
    const output = execFileSync('sh', ['-ec', steps], { encoding: 'utf8' })
    const key = /"key":"(cr_\w+)"/.exec(output)?.[1] ?? ''
    expect((await sendMessage(asHost(first), key)).status).toBe(200)
    expect(first.stdout()).not.toContain(password)

    expect(await first.end('SIGTERM')).toBe(0)
    const second = await stage.start({ ADMIN_PASSWORD: '' })
    expect(second.stderr()).toBe('')
    await logIn(asHost(second, password))
    expect((await sendMessage(asHost(second), key)).status).toBe(200)
  })
})

describe.runIf(has('processes'))('SIGTERM during the start', () => {
  /** A server that accepts connections and never answers. */
  async function silentServer() {
    const server = createServer(() => {}).listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    const address = server.address()
    const port = typeof address === 'object' ? address?.port : 0
    return { server, port }
  }

  it('ends a start whose store does not answer, with exit code 0', async () => {
    const { server, port } = await silentServer()
    const connected = once(server, 'connection')
    const gateway = stage.launch({
      DATA_DIR: stage.dataDir,
      REDIS_URL: `redis://127.0.0.1:${port}`,
      STORE_TIMEOUT_MS: '60000',
    })
    const [socket] = await connected
    onTestFinished(() => socket.destroy())
    gateway.process.kill('SIGTERM')
    expect([await gateway.exited, gateway.stderr()]).toEqual([0, ''])
  })
})

describe.runIf(has('processes'))('a start that cannot succeed', () => {
  it('reports every wrong setting at once, by name', async () => {
    const { code, stderr } = await startAndFail({
      DATA_DIR: stage.dataDir,
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
      DATA_DIR: stage.dataDir,
      REDIS_URL: 'redis://user:secret@127.0.0.1:1',
      STORE_TIMEOUT_MS: '200',
    })
    expect(code).toBe(1)
    expect(stderr).toMatch(/REDIS_URL.*127\.0\.0\.1:1/)
    expect(stderr).not.toContain('secret')
  })

  it('refuses a store that was sealed with another ENCRYPTION_KEY', async () => {
    const first = await stage.start({ ENCRYPTION_KEY: '11'.repeat(32) })
    await first.end('SIGTERM')
    const { code, stderr } = await startAndFail({
      DATA_DIR: stage.dataDir,
      ENCRYPTION_KEY: '22'.repeat(32),
    })
    expect(code).toBe(1)
    expect(stderr).toContain('ENCRYPTION_KEY')
  })

  it('refuses damaged secrets instead of making new ones', async () => {
    await (await stage.start()).end('SIGTERM')
    writeFileSync(join(stage.dataDir, 'secrets.json'), '{"JWT_SECRET":')
    const { code, stderr } = await startAndFail({ DATA_DIR: stage.dataDir })
    expect(code).toBe(1)
    expect(stderr).toMatch(/DATA_DIR.*secrets\.json/)
    expect(readFileSync(join(stage.dataDir, 'secrets.json'), 'utf8')).toBe('{"JWT_SECRET":')
  })

  it('names PORT when it is taken', async () => {
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const address = other.address()
    const port = typeof address === 'object' ? String(address?.port) : ''
    const { code, stderr } = await startAndFail({ DATA_DIR: stage.dataDir, PORT: port })
    other.close()
    expect(code).toBe(1)
    expect(stderr).toContain('PORT')
  })
})
