/** Starts the gateway as its users do: as a process of its own. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, onTestFinished } from 'vitest'
import { journeySettings } from '../hosts/host.ts'
import { startChild } from '../support/child.ts'
import { elsewhere } from '../support/elsewhere.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

const entry = join(import.meta.dirname, '..', '..', 'src', 'node.ts')

export interface GatewayProcess {
  url: string
  stdout(): string
  stderr(): string
  /** Sends a signal and waits for the end; resolves to the exit code, null after a kill. */
  end(signal: NodeJS.Signals): Promise<number | null>
}

const launch = (env: Record<string, string>) => startChild([entry], { cwd: elsewhere, env })

/** Runs a gateway that is expected to refuse to start. */
export async function startAndFail(settings: Record<string, string>) {
  const { exited, stderr } = launch({ PORT: '0', ...settings })
  return { code: await exited, stderr: stderr() }
}

/** Starts a gateway and waits until it listens. @throws Error with its output if it ends instead. */
export async function startProcess(settings: Record<string, string>): Promise<GatewayProcess> {
  const gateway = launch({ ...journeySettings, ...settings })
  const { exited, stdout, stderr } = gateway
  const started = /"event":"started","url":"([^"]+)"/
  const [, url = ''] = await gateway.printed(started)
  return {
    url,
    stdout,
    stderr,
    end(signal) {
      gateway.process.kill(signal)
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
    /** Starts one that may end before it listens. */
    launch(settings: Record<string, string>) {
      const launched = launch({ PORT: '0', ...settings })
      onTestFinished(() => void launched.process.kill('SIGKILL'))
      return launched
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
