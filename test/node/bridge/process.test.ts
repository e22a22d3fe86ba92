import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/node/clock.ts'
import { createUpstashEngine } from '../../../src/store/upstash.ts'
import { startRedisServer } from '../../engines/redis-server.ts'
import { result } from '../../engines/steps.ts'
import { type Child, startChild } from '../../support/child.ts'
import { has } from '../../support/lanes.ts'

const entry = join(import.meta.dirname, '..', '..', '..', 'src', 'tools', 'bridge.ts')
const TOKEN = 'sixteen-characters'

let directory: string
let running: Child[]
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'bridge-'))
  running = []
})
afterEach(() => {
  for (const bridge of running) bridge.process.kill('SIGKILL')
  rmSync(directory, { recursive: true, force: true })
})

function launch(settings: Record<string, string>): Child {
  const env = { DATA_DIR: directory, BRIDGE_PORT: '0', ...settings }
  const bridge = startChild([entry], { cwd: directory, env })
  running.push(bridge)
  return bridge
}

async function start(settings: Record<string, string> = {}) {
  const bridge = launch(settings)
  const [, url = ''] = await bridge.printed(/ store on (http\S+)\n/)
  return { ...bridge, url }
}

async function refusal(settings: Record<string, string>) {
  const { exited, stderr } = launch(settings)
  return { code: await exited, stderr: stderr() }
}

const open = (url: string, token: string) =>
  createUpstashEngine({ url, token, timeoutMs: 30_000, clock: systemClock })

describe.runIf(has('processes'))('a bridge of its own', () => {
  it('prints the two settings to paste, serves, and ends on SIGTERM with its data kept', async () => {
    const { process: child, exited, stdout, stderr, ...started } = await start()
    await started.printed(/TOKEN=\S+\n$/)
    const printed =
      /^The REST bridge serves the embedded store on (\S+)\nUPSTASH_REDIS_REST_URL=(\S+)\nUPSTASH_REDIS_REST_TOKEN=([\w-]{32})\n$/
    const [, url, setting = '', token = ''] = printed.exec(stdout()) ?? []
    expect(url).toBe(setting)
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    await result(open(setting, token), 'SET', 'k', 'kept')
    child.kill('SIGTERM')
    expect(await exited).toBe(0)
    expect([stdout(), stderr()]).toEqual([expect.stringMatching(printed), ''])
    expect(statSync(join(directory, 'store.sqlite')).mode & 0o077).toBe(0)

    const again = await start({ BRIDGE_TOKEN: TOKEN })
    expect(await result(open(again.url, TOKEN), 'GET', 'k')).toBe('kept')
    expect(again.stdout()).not.toContain(TOKEN)
    again.process.kill('SIGINT')
    expect(await again.exited).toBe(0)
  })

  it('does not start while another process has the embedded store open', async () => {
    const first = await start()
    const { code, stderr } = await refusal({})
    expect(code).toBe(1)
    expect(stderr).toMatch(/^DATA_DIR: .*store\.sqlite is in use by another process/)
    first.process.kill('SIGTERM')
    expect(await first.exited).toBe(0)
  })

  it.runIf(has('redis-server'))(
    'serves the Redis of REDIS_URL, which .dev.vars may name',
    async () => {
      const server = await startRedisServer()
      const settings = `REDIS_URL=${server.url}\nBRIDGE_TOKEN=${TOKEN}\nUPSTASH_REDIS_REST_URL=x\n`
      writeFileSync(join(directory, '.dev.vars'), settings)
      const { url, stdout, process: child, exited } = await start()
      expect(stdout()).toContain('serves the redis store on')
      expect(await result(open(url, TOKEN), 'SET', 'k', 'v')).toBe('OK')
      child.kill('SIGTERM')
      expect(await exited).toBe(0)
      await server.stop()
    },
  )
})

describe.runIf(has('processes'))('a bridge that cannot start', () => {
  it('refuses to listen beyond this machine without a token that is long enough', async () => {
    for (const token of ['', 'short']) {
      const { code, stderr } = await refusal({ BRIDGE_HOST: '0.0.0.0', BRIDGE_TOKEN: token })
      expect(code).toBe(1)
      expect(stderr).toMatch(/BRIDGE_TOKEN: must be set, with at least 16 characters/)
      expect(stderr).not.toMatch(/short|\n {4}at /)
    }
    const open = await start({ BRIDGE_HOST: '0.0.0.0', BRIDGE_TOKEN: TOKEN })
    expect(open.url).toMatch(/^http:\/\/0\.0\.0\.0:\d+$/)
  })

  it('names the setting at fault, without secrets', async () => {
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const { port } = other.address() as { port: number }
    const [wrong, taken, noStore, noTimeout] = await Promise.all([
      refusal({ BRIDGE_PORT: 'x', BRIDGE_TOKEN: ' secret' }),
      refusal({ BRIDGE_PORT: String(port) }),
      refusal({ REDIS_URL: 'redis://user:secret@127.0.0.1:1', STORE_TIMEOUT_MS: '200' }),
      refusal({ STORE_TIMEOUT_MS: '1' }),
    ])
    other.close()
    expect(wrong.stderr).toMatch(/BRIDGE_PORT: must be a number\n {2}BRIDGE_TOKEN: must be ASCII/)
    expect(taken.stderr).toContain(`BRIDGE_PORT, BRIDGE_HOST: cannot listen on 127.0.0.1:${port}`)
    expect(noStore.stderr).toMatch(/REDIS_URL.*127\.0\.0\.1:1/)
    expect(noTimeout.stderr).toContain('STORE_TIMEOUT_MS: must be at least 50')
    for (const { code, stderr } of [wrong, taken, noStore, noTimeout]) {
      expect(code).toBe(1)
      expect(stderr).not.toMatch(/secret|\n {4}at /)
    }
  })
})
