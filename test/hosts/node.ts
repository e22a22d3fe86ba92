/** The Node host in this process, on a real socket, with a data directory of its own. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startNode } from '../../src/node/host.ts'
import { type GatewayHost, journeySettings } from './host.ts'

export async function startNodeHost(settings: Record<string, string> = {}): Promise<GatewayHost> {
  const directory = mkdtempSync(join(tmpdir(), 'gateway-'))
  const environment = { ...journeySettings, DATA_DIR: directory, LOG_LEVEL: 'debug', ...settings }
  const log: string[] = []
  const start = () =>
    startNode(
      environment,
      (line) => log.push(line),
      () => {},
    )
  let running = await start()
  return {
    get url() {
      return running.url
    },
    adminPassword: environment.ADMIN_PASSWORD,
    noticesQuietLeave: true,
    canProxy: true,
    log,
    async restart() {
      await running.close()
      running = await start()
    },
    async close() {
      await running.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
