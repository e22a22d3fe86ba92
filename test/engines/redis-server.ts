/** Starts a real redis-server for tests: empty, in memory, on a port of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface RedisServer {
  url: string
  port: number
  pid: number
  /** Ends it in an orderly way and waits for that. */
  stop(): Promise<void>
  /** Ends it as a crash would. */
  kill(): Promise<void>
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('No free port')
  return address.port
}

async function untilReady(server: ChildProcess): Promise<void> {
  let output = ''
  for await (const chunk of server.stdout ?? []) {
    output += String(chunk)
    if (output.includes('Ready to accept connections')) return
  }
  throw new Error(`redis-server did not start: ${output}`)
}

/**
 * Starts a server; a given port lets a test bring back one that it has ended.
 * @throws Error with what the server printed, when it does not start.
 */
export async function startRedisServer(port?: number): Promise<RedisServer> {
  if (port !== undefined) return startAt(port)
  // Another process may take a free port before the server does.
  for (let attempt = 1; ; attempt++) {
    try {
      return await startAt(await freePort())
    } catch (error) {
      if (attempt === 5) throw error
    }
  }
}

async function startAt(port: number): Promise<RedisServer> {
  const directory = await mkdtemp(join(tmpdir(), 'redis-'))
  const settings = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory]
  const server = spawn('redis-server', [...settings, '--save', '', '--appendonly', 'no'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const exited = once(server, 'exit')
  const killWithThisProcess = () => void server.kill('SIGKILL')
  process.once('exit', killWithThisProcess)

  async function end(signal: NodeJS.Signals): Promise<void> {
    server.kill(signal)
    await exited
    process.off('exit', killWithThisProcess)
    await rm(directory, { recursive: true, force: true })
  }
  try {
    await untilReady(server)
  } catch (error) {
    await end('SIGKILL')
    throw error
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    pid: server.pid ?? 0,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
  }
}
