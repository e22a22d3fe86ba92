/** How many streams that say nothing one process holds open, and what each of them takes. */
import { setTimeout as delay } from 'node:timers/promises'
import { deltas, json, messageRequest, saturate } from '../load.ts'
import { ask, idleQuery } from '../peers.ts'
import type { Target } from '../targets.ts'

/** Opened at a time: more would only wait in line for the connection to be accepted. */
const opening = 64
const warmUp = { count: 200, connections: 32 }

/** How many streams the limit of open files allows: each is two connections of the gateway. */
export function mostStreams(): number {
  const { userLimits } = process.report.getReport() as unknown as Report
  const limit = Number(userLimits.open_files.hard)
  return Number.isFinite(limit) ? Math.floor((limit - otherFiles) / 2) : Infinity
}

interface Report {
  userLimits: { open_files: { hard: number | 'unlimited' } }
}

/** Files that a process has open besides its streams, at most. */
const otherFiles = 200

/**
 * Opens `count` streams that fall silent after their first deltas. To be measured on a gateway without a
 * load before: afterwards its memory has room to spare, and streams would seem to cost nothing.
 * @returns how many have brought their first bytes and are open still, and the growth of the resident
 * memory in KiB for each of them
 */
export async function measureSilentStreams(
  target: Target,
  count: number,
): Promise<{ served: number; kibibytesEach: number; heapKibibytesEach: number }> {
  for (const work of [json, deltas]) await saturate(target, work, warmUp)
  await delay(500)
  const before = await ask(target.process, { collect: true })
  const open = new Set<{ destroy(): unknown }>()
  let left = count
  const member = async () => {
    while (left-- > 0) {
      const request = messageRequest(target.keys[0] ?? '', { stream: true, query: idleQuery })
      const { statusCode, body } = await target.pool.request(request).catch(() => noAnswer)
      if (!body) continue
      const first = new Promise<void>((resolve) => {
        body.once('data', () => resolve())
        body.once('close', () => resolve())
      })
      body.on('error', () => open.delete(body)).once('close', () => open.delete(body))
      if (statusCode === 200) open.add(body)
      await first
    }
  }
  await Promise.all(Array.from({ length: opening }, member))
  await delay(1_000)
  const after = await ask(target.process, { collect: true })
  const served = open.size
  for (const body of open) body.destroy()
  const each = (bytes: number) => bytes / served / 1024
  return {
    served,
    kibibytesEach: each(after.residentBytes - before.residentBytes),
    heapKibibytesEach: each(after.heapBytes - before.heapBytes),
  }
}

const noAnswer = { statusCode: 0, body: undefined }
