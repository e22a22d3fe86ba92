/** Starts the gateway as its users do: as a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach } from 'vitest'
import { journeySettings } from '../hosts/host.ts'
import { compileCache } from '../support/compile-cache.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

const entry = join(import.meta.dirname, '..', '..', 'src', 'node.ts')

export interface GatewayProcess {
  url: string
  stdout(): string
  stderr(): string
  /** Sends a signal and waits for the end; resolves to the exit code, null after a kill. */
  end(signal: NodeJS.Signals): Promise<number | null>
}

function launch(settings: Record<string, string>) {
  // Away from the checkout, so that no .dev.vars of a developer is read.
  const child: ChildProcess = spawn(process.execPath, [entry], {
    cwd: tmpdir(),
    env: { PATH: process.env.PATH ?? '', NODE_COMPILE_CACHE: compileCache, ...settings },
  })
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', (bytes) => {
    stdout += bytes
  })
  child.stderr?.on('data', (bytes) => {
    stderr += bytes
  })
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
  return { child, exited, stdout: () => stdout, stderr: () => stderr }
}

/** Runs a gateway that is expected to refuse to start. */
export async function startAndFail(settings: Record<string, string>) {
  const { exited, stderr } = launch({ PORT: '0', ...settings })
  return { code: await exited, stderr: stderr() }
}

/** Starts a gateway and waits until it listens. @throws Error with its output if it ends instead. */
export async function startProcess(settings: Record<string, string>): Promise<GatewayProcess> {
  const { child, exited, stdout, stderr } = launch({ ...journeySettings, ...settings })
  const started = new Promise<string>((resolve) => {
    child.stdout?.on('data', () => {
      const url = /"event":"started","url":"([^"]+)"/.exec(stdout())?.[1]
      if (url) resolve(url)
    })
  })
  const url = await Promise.race([started, exited.then(() => '')])
  if (url === '') throw new Error(`The gateway did not start: ${stderr()}`)
  return {
    url,
    stdout,
    stderr,
    end(signal) {
      child.kill(signal)
      return exited
    },
  }
}

/** What each test of a process has: an upstream, a data directory, and an end for all it started. */
export function useProcesses() {
  let upstream: Upstream
  let dataDir: string
  let running: GatewayProcess[]
  beforeEach(async () => {
    upstream = await startUpstream()
    dataDir = mkdtempSync(join(tmpdir(), 'gateway-'))
    running = []
  })
  afterEach(async () => {
    await Promise.all(running.map((gateway) => gateway.end('SIGKILL')))
    await upstream.close()
    rmSync(dataDir, { recursive: true, force: true })
  })
  return {
    get upstream() {
      return upstream
    },
    get dataDir() {
      return dataDir
    },
    async start(settings: Record<string, string> = {}) {
      const gateway = await startProcess({ DATA_DIR: dataDir, ...settings })
      running.push(gateway)
      return gateway
    },
  }
}

/** A process as the clients of the journeys see it. */
export const asHost = (
  { url }: GatewayProcess,
  adminPassword = journeySettings.ADMIN_PASSWORD,
) => ({
  url,
  adminPassword,
  noticesQuietLeave: true,
  canProxy: true,
  log: [],
  restart: async () => {},
  close: async () => {},
})
