/** What a start says of settings that are valid, but hardly meant; and what it refuses. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createTcpEngine } from '../../../src/node/engines/tcp.ts'
import { type NodeHost, startNode } from '../../../src/node/host.ts'
import { type RedisServer, startRedisServer } from '../../engines/redis-server.ts'
import { result } from '../../engines/steps.ts'
import { eventually } from '../../hosts/client.ts'
import { has } from '../../support/lanes.ts'

let directory: string
let lines: string[]
let hosts: NodeHost[]
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'questions-'))
  lines = []
  hosts = []
})
afterEach(async () => {
  await Promise.all(hosts.map((host) => host.close()))
  rmSync(directory, { recursive: true, force: true })
})

const password = 'correct horse battery staple'

async function start(settings: Record<string, string> = {}) {
  const environment = {
    PORT: '0',
    DATA_DIR: directory,
    ADMIN_PASSWORD: password,
    ENCRYPTION_KEY: 'ab'.repeat(32),
    ...settings,
  }
  const write = (line: string) => void lines.push(line)
  const host = await startNode(environment, write, () => {})
  hosts.push(host)
  return host
}

async function stop() {
  await Promise.all(hosts.splice(0).map((host) => host.close()))
}

const questions = () =>
  lines
    .map((line) => JSON.parse(line))
    .filter(({ event }) => event === 'setting_questionable')
    .map(({ level, setting, message }) => ({ level, setting, message }))

describe('a start', () => {
  it('has no question where all is as it should be', async () => {
    await start()
    await stop()
    await start()
    await stop()
    expect(questions()).toEqual([])
  })

  it('warns of a name that is nearly a setting, with the right one and without its value', async () => {
    await start({ REDIS_URI: 'redis://secret' })
    expect(questions()).toEqual([
      { level: 'warn', setting: 'REDIS_URI', message: expect.stringContaining('REDIS_URL') },
    ])
    expect(lines.join()).not.toContain('secret')
  })

  it('warns of an ADMIN_PASSWORD that is not the one of the stored admin', async () => {
    await start()
    await stop()
    await start({ ADMIN_PASSWORD: 'another long password' })
    await eventually(async () =>
      expect(questions()).toMatchObject([{ level: 'warn', setting: 'ADMIN_PASSWORD' }]),
    )
    expect(lines.join()).not.toContain('another long')
  })

  it('keeps idle connections for KEEP_ALIVE_SECONDS, by default longer than balancers do', async () => {
    const keepAlive = async (settings: Record<string, string>) => {
      const { url } = await start(settings)
      return (await fetch(`${url}/health`)).headers.get('keep-alive')
    }
    expect(await keepAlive({})).toBe('timeout=75')
    await stop()
    expect(await keepAlive({ KEEP_ALIVE_SECONDS: '300' })).toBe('timeout=300')
  })
})

describe.runIf(has('redis-server'))('a start with Redis', () => {
  let server: RedisServer
  let operator: ReturnType<typeof createTcpEngine>
  beforeAll(async () => {
    server = await startRedisServer()
    operator = createTcpEngine({ url: server.url, timeoutMs: 30_000 })
  })
  afterAll(async () => {
    await operator.close()
    await server.stop()
  })

  it('takes a database that can be selected, and refuses one that cannot', async () => {
    await start({ REDIS_URL: `${server.url}/15` })
    await expect(start({ REDIS_URL: `${server.url}/16` })).rejects.toThrow(
      /^REDIS_URL: database 16 cannot be selected/,
    )
  })

  it('warns when DATA_DIR holds an embedded store with data', async () => {
    await start()
    await stop()
    await start({ REDIS_URL: server.url })
    expect(questions()).toMatchObject([{ level: 'warn', setting: 'REDIS_URL' }])
  })

  it('warns when the store removes keys under pressure', async () => {
    await result(operator, 'CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru')
    await start({ REDIS_URL: server.url })
    await result(operator, 'CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
    expect(questions()).toEqual([
      { level: 'warn', setting: 'REDIS_URL', message: expect.stringContaining('allkeys-lru') },
    ])
  })

  it('is not healthy when the store takes no writes, and lives on', async () => {
    const { url } = await start({ REDIS_URL: server.url })
    expect((await fetch(`${url}/health`)).status).toBe(200)
    await result(operator, 'REPLICAOF', '127.0.0.1', '1')
    const health = await eventually(async () => {
      const response = await fetch(`${url}/health`)
      expect(response.status).toBe(503)
      return response.json()
    })
    expect(health).toEqual({
      status: 'unavailable',
      store: { error: 'The store takes no writes (READONLY)' },
    })
    expect((await fetch(`${url}/livez`)).status).toBe(200)
    await result(operator, 'REPLICAOF', 'NO', 'ONE')
    await eventually(async () => expect((await fetch(`${url}/health`)).status).toBe(200))
  })

  it.each(['-@scripting', '-evalsha'])('refuses a user with %s, by name', async (rule) => {
    await result(operator, 'ACL', 'SETUSER', 'poor', 'on', '>secret', '~*', '+@all', rule)
    const url = server.url.replace('//', '//poor:secret@')
    const fault = await start({ REDIS_URL: url }).catch(String)
    expect(fault).toMatch(/REDIS_URL: the user of this store may not run scripts/)
    expect(fault).not.toContain('secret')
  })
})
