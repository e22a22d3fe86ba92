/**
 * What the embedded store and the settlement journal cost: pairs of `admit` and `settle` for each
 * second, bytes on disk after 10,000 requests, and how far the files shrink afterwards.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { v7 as uuidv7 } from 'uuid'
import { perLimit } from '../../src/domain/limits.ts'
import { bucketsAt } from '../../src/ledger/calendar.ts'
import { createEmbeddedEngine } from '../../src/node/engines/embedded/engine.ts'
import { openJournal } from '../../src/node/journal.ts'
import { createKeyspace, ttl } from '../../src/store/keyspace.ts'
import { packSums } from '../../src/store/records/sums.ts'
import { createRedis } from '../../src/store/redis.ts'
import { admitScript } from '../../src/store/scripts/admit.ts'
import { type SettleInput, settleScript } from '../../src/store/scripts/settle.ts'

const requests = Number(process.env.REQUESTS ?? 10_000)
const concurrency = 32
const keys = 20
const accounts = 5
const budgetMiB = 8

const directory = mkdtempSync(join(tmpdir(), 'disk-'))
const print = (line: string) => process.stdout.write(`${line}\n`)
const mebibytes = (bytes: number) => `${(bytes / 1024 / 1024).toFixed(2)} MiB`

/** All files whose names begin with `name`: a log or a draft beside the file counts too. */
function bytesOnDisk(name: string): number {
  const files = readdirSync(directory).filter((file) => file.startsWith(name))
  return files.reduce((sum, file) => sum + statSync(join(directory, file)).size, 0)
}

const model = 'claude-sonnet-4-5-20250929'
const poolId = 'claude-console'
const keyspace = createKeyspace('')
const keyIds = Array.from({ length: keys }, () => uuidv7())
const accountIds = Array.from({ length: accounts }, () => uuidv7())
let offsetMs = 0
const now = () => Date.now() + offsetMs

const upTo = (limit: number) => Math.floor(Math.random() * limit)

/** What the relay packs for a request of one attempt. */
function traceOf(requestId: string, keyId: string, accountId: string): string {
  const tookMs = upTo(30_000)
  const attempt = { accountId, model, afterMs: upTo(20), tookMs, outcome: 'served', status: 200 }
  return JSON.stringify({
    keyId,
    platform: poolId,
    requestId,
    receivedAtMs: now(),
    stream: true,
    queuedMs: 0,
    affinity: 'primary',
    passedOver: [],
    attempts: [attempt],
    sessionMoves: 0,
    end: 'completed',
    tookMs: tookMs + upTo(20),
  })
}

function settlement(ledgerId: string, index: number): SettleInput {
  const costNanoUsd = upTo(100_000_000)
  const tokens = { inputTokens: upTo(5_000), outputTokens: upTo(2_000) }
  const amounts = packSums({ requests: 1, costNanoUsd, ...tokens })
  const keyId = keyIds[index % keys] ?? ''
  const accountId = accountIds[index % accounts] ?? ''
  return {
    ledgerId,
    poolId,
    keyId,
    accountId,
    model,
    ledgerModel: model,
    family: 'sonnet',
    kind: 'final',
    amounts,
    costNanoUsd,
    verdict: 'success',
    buckets: bucketsAt(now(), 'UTC'),
    quotaDay: '2026-11-22',
    trace: traceOf(ledgerId, keyId, accountId),
    requestName: uuidv7(),
    issuedAffinities: [],
    keepMs: ttl.requestMs,
  }
}

const engine = createEmbeddedEngine({ path: join(directory, 'store.sqlite'), now })
const redis = createRedis(engine)

async function serve(index: number): Promise<void> {
  const ledgerId = uuidv7()
  const settled = settlement(ledgerId, index)
  const admitted = await admitScript(redis, keyspace, {
    poolVersion: '0',
    keyRevision: '0',
    digest: `digest-${index % keys}`,
    ledgerId,
    poolId,
    keyId: settled.keyId,
    sessionKey: `session-${index % (keys * 5)}`,
    affinityDigest: undefined,
    hasBoundContent: false,
    model,
    family: 'sonnet',
    reservationNanoUsd: 20_000_000,
    leaseMs: 60_000,
    probeMs: 3_000,
    warmMs: 300_000,
    windowMs: 0,
    periods: bucketsAt(now(), 'UTC'),
    limits: perLimit(() => 0),
    activationMs: 0,
    queue: { ticket: '', ticketMs: 0 },
    candidates: accountIds.map((accountId) => ({
      accountId,
      priority: 50,
      maxConcurrency: 0,
      family: 'sonnet',
      quotaNanoUsd: 0,
      quotaDay: '2026-11-22',
      quotaEndsMs: 0,
    })),
  })
  if (admitted.kind !== 'ok') throw new Error(`A request was not admitted: ${admitted.kind}`)
  await settleScript(redis, keyspace, { ...settled, accountId: admitted.accountId })
}

async function inParallel(count: number, one: (index: number) => Promise<void>): Promise<void> {
  let next = 0
  const member = async () => {
    while (next < count) await one(next++)
  }
  await Promise.all(Array.from({ length: concurrency }, member))
}

async function timed(name: string, count: number, one: (index: number) => Promise<void>) {
  const startMs = performance.now()
  const before = process.cpuUsage()
  await inParallel(count, one)
  const { user, system } = process.cpuUsage(before)
  const perSecond = count / ((performance.now() - startMs) / 1000)
  print(
    `${name}: ${perSecond.toFixed(0)} a second, ${((user + system) / count).toFixed(0)} µs of CPU each`,
  )
}

try {
  await timed('admit and settle', requests, serve)
  print(`store after ${requests} requests: ${mebibytes(bytesOnDisk('store'))}`)
  // Markers have expired now; the requests of the next days take them from the disk.
  offsetMs += 4 * 24 * 60 * 60 * 1000
  await inParallel(requests, serve)
  print(`store after ${requests} more, four days later: ${mebibytes(bytesOnDisk('store'))}`)
  offsetMs += 4 * 24 * 60 * 60 * 1000
  await inParallel(requests / 10, serve)
  print(`store after ${requests / 10} more, four days later: ${mebibytes(bytesOnDisk('store'))}`)
  await engine.close()
  print(`store when it is closed: ${mebibytes(bytesOnDisk('store'))}`)

  const journal = openJournal(join(directory, 'journal.log'))
  await timed('journal: put and remove', requests, async (index) => {
    const ledgerId = uuidv7()
    await journal.put(ledgerId, JSON.stringify(settlement(ledgerId, index)), Date.now())
    journal.remove(ledgerId)
  })
  print(`journal after ${requests} requests: ${mebibytes(bytesOnDisk('journal'))}`)
  await journal.close()
  print(`journal when it is closed: ${mebibytes(bytesOnDisk('journal'))}`)
  print(`budget: ${budgetMiB} MiB after 10,000 requests`)
} finally {
  if (!process.env.KEEP) rmSync(directory, { recursive: true, force: true })
}
