/** What a gateway keeps on the disk, and what is left of it when it has expired. */
import { once } from 'node:events'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { json, saturate } from '../load.ts'
import { ask } from '../peers.ts'
import { type GatewayTarget, restartGateway } from '../targets.ts'

const connections = 32
/** Longer than the marker of a request is kept. */
const expiryMs = 3 * 24 * 60 * 60 * 1000
/** Requests after the expiry, among which expired keys are removed. */
const later = 500
const idleMs = 2_000

/** Bytes of the files in a folder. */
export function folderBytes(folder: string): number {
  if (!existsSync(folder)) return 0
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
  return files
    .filter((file) => file.isFile())
    .reduce((total, file) => total + statSync(join(file.parentPath, file.name)).size, 0)
}

/**
 * Sends `count` requests to a gateway with an embedded store, and moves its clock forward.
 * @returns bytes of its folder, and their share that is left after the expiry and a restart
 */
export async function measureDisk(
  gateway: GatewayTarget,
  count: number,
): Promise<{ bytes: number; shareLeft: number }> {
  await saturate(gateway, json, { count, connections })
  await delay(idleMs)
  const bytes = folderBytes(gateway.dataDir)
  await ask(gateway.process, { collect: false, shiftMs: expiryMs })
  await saturate(gateway, json, { count: Math.min(later, count / 4), connections })
  await delay(idleMs)
  await stop(gateway)
  const again = await restartGateway(gateway)
  await ask(again.process, { collect: false, shiftMs: expiryMs })
  await saturate(again, json, { count: connections, connections })
  await stop(again)
  return { bytes, shareLeft: folderBytes(gateway.dataDir) / bytes }
}

async function stop({ process, pool }: GatewayTarget): Promise<void> {
  const ended = once(process, 'exit')
  process.kill('SIGTERM')
  await ended
  await pool.destroy()
}
