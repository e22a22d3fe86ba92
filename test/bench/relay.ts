/**
 * Measures the relay against a bare proxy in one run, and prints what is over its budget:
 * `npm run bench -- [--quick] [--json]`. Ends with 1 where anything is.
 */
import { parseArgs } from 'node:util'
import { deltas, json, saturate } from './load.ts'
import { cpuRatio, measureJson, measurePaced, measureStreams } from './measures/cpu.ts'
import { folderBytes, measureDisk } from './measures/disk.ts'
import { measureAddedP99 } from './measures/latency.ts'
import { measureLists } from './measures/lists.ts'
import { watchRedis } from './measures/redis-server.ts'
import { measureSilentStreams, mostStreams } from './measures/silent-streams.ts'
import { end, hasRedis, startRedis } from './peers.ts'
import { format, judge, machine, type Results } from './table.ts'
import {
  type GatewayTarget,
  startBareProxy,
  startGateway,
  startUpstream,
  type Target,
} from './targets.ts'

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const { quick } = options

const size = quick
  ? {
      warmUp: 600,
      json: { rounds: 3, count: 400 },
      streams: { rounds: 3, count: 64 },
      paced: { rounds: 3, seconds: 1 },
      latency: { rounds: 3, perConnection: { 1: 20, 16: 10, 64: 6 } },
      sized: { rounds: 3, count: 200, warmUp: 300, keysInUse: 100 },
      lists: 5,
      silentStreams: 1_000,
      disk: 500,
    }
  : {
      warmUp: 4_000,
      json: { rounds: 5, count: 4_000 },
      streams: { rounds: 5, count: 96 },
      paced: { rounds: 3, seconds: 4 },
      latency: { rounds: 5, perConnection: { 1: 100, 16: 60, 64: 40 } },
      sized: { rounds: 5, count: 3_000, warmUp: 4_000, keysInUse: 2_000 },
      lists: 15,
      silentStreams: 10_000,
      disk: 10_000,
    }
const many = { accounts: 200, keys: 2_000 }
const longestMs = quick ? 5 * 60_000 : 30 * 60_000
const megabyte = 1_000_000

const results: Results = {}
/** Beside the table: what its rows do not say. */
const notes: string[] = []
/** To standard error, so that `--json` prints nothing else. */
const progress = (text: string) => void process.stderr.write(`${text}\n`)

async function measureStreamMemory(upstreamUrl: string): Promise<void> {
  progress('silent streams')
  const gateway = await startGateway({ name: 'silent-streams', upstreamUrl })
  const possible = mostStreams()
  const measured = await measureSilentStreams(gateway, Math.min(size.silentStreams, possible))
  if (possible < size.silentStreams) {
    notes.push(`the limit of open files of this machine allows ${possible} streams at most`)
  } else if (!quick) results.streamsServed = measured.served
  results.streamKiB = measured.kibibytesEach
  const heap = measured.heapKibibytesEach.toFixed(1)
  notes.push(`${measured.served} silent streams; of each ${heap} KiB are heap and buffers`)
  await stopTarget(gateway)
}

async function measureLoads(gateways: Gateways, redisUrl: string | undefined): Promise<void> {
  const { bare, redis, embedded } = gateways
  const targets = [bare, embedded, ...(redis ? [redis] : [])]
  progress('warm-up')
  for (const target of targets) {
    await saturate(target, json, { count: size.warmUp, connections: 32 })
    await saturate(target, deltas, { count: 32, connections: 32 })
  }
  progress('JSON')
  const server = redisUrl === undefined ? undefined : watchRedis(redisUrl)
  const served = { requests: 0, cpuMicroseconds: 0, commands: 0 }
  const saturated = await measureJson(targets, size.json, async (target, run) => {
    if (target !== redis || !server) return run()
    const before = await server.usage()
    const round = await run()
    const after = await server.usage()
    served.requests += size.json.count
    served.cpuMicroseconds += after.cpuMicroseconds - before.cpuMicroseconds
    served.commands += after.commands - before.commands
    return round
  })
  server?.close()
  results.jsonRedis = cpuRatio(saturated, redis, bare)
  results.jsonEmbedded = cpuRatio(saturated, embedded, bare)
  if (redis) {
    results.redisCpu = served.cpuMicroseconds / served.requests
    results.redisCommands = served.commands / served.requests
  }
  progress('JSON, paced')
  const { perSecond, results: paced } = await measurePaced(targets, saturated, size.paced)
  notes.push(`paced at ${perSecond} requests a second`)
  results.pacedRedis = cpuRatio(paced, redis, bare)
  results.pacedEmbedded = cpuRatio(paced, embedded, bare)
  progress('streams')
  const streams = await measureStreams(targets, size.streams)
  results.streamRedis = cpuRatio(streams, redis, bare)
  results.streamEmbedded = cpuRatio(streams, embedded, bare)
}

async function measureLatency({ upstream, bare, redis, embedded }: Gateways): Promise<void> {
  const targets = [bare, embedded, ...(redis ? [redis] : [])]
  for (const connections of [1, 16, 64] as const) {
    progress(`latency, ${connections} connections`)
    const count = connections * size.latency.perConnection[connections]
    const load = { rounds: size.latency.rounds, count, connections }
    const multiples = await measureAddedP99(targets, { upstream, baseline: bare }, load)
    results[`p99Embedded${connections}`] = multiples.get(embedded)
    if (redis) results[`p99Redis${connections}`] = multiples.get(redis)
  }
}

/** Relay and lists with many accounts and keys, on a store of each kind. */
async function measureSize(gateways: Gateways): Promise<void> {
  for (const store of ['redis', 'embedded'] as const) {
    const small = gateways[store]
    if (!small) continue
    progress(`many accounts and keys, ${store}`)
    const settings = store === 'redis' ? { REDIS_URL: await startRedis() } : {}
    const upstreamUrl = gateways.upstream.url
    const large = await startGateway({ name: `${store}-large`, upstreamUrl, settings, ...many })
    if (store === 'embedded') {
      const { coldStretchMs, cpuMs, stretchMs } = await measureLists(large, size.lists)
      results.listCold = coldStretchMs
      results.listStretch = stretchMs
      results.listSort = cpuMs.sort
      results.listSearch = cpuMs.search
      results.listTag = cpuMs.tag
    }
    large.keys.splice(size.sized.keysInUse)
    await saturate(large, json, { count: size.sized.warmUp, connections: 32 })
    const rounds = await measureJson([small, large], size.sized)
    const ratio = cpuRatio(rounds, large, small)
    if (store === 'redis') results.sizeRedis = ratio
    else results.sizeEmbedded = ratio
    await stopTarget(large)
  }
}

async function measureDisks({ upstream, redis }: Gateways): Promise<void> {
  progress('disk')
  const gateway = await startGateway({ name: 'disk', upstreamUrl: upstream.url })
  const { bytes, shareLeft } = await measureDisk(gateway, size.disk)
  results.diskEmbedded = bytes / megabyte
  results.diskShrinks = shareLeft
  if (redis) results.diskJournal = folderBytes(redis.dataDir) / megabyte
  notes.push(`disk after ${size.disk} requests on the embedded store`)
}

interface Gateways {
  upstream: Target & { url: string }
  bare: Target
  redis: GatewayTarget | undefined
  embedded: GatewayTarget
}

async function stopTarget({ process, pool }: Target): Promise<void> {
  await pool.destroy()
  process.kill('SIGKILL')
}

async function run(): Promise<void> {
  const upstream = await startUpstream()
  const upstreamUrl = upstream.url
  await measureStreamMemory(upstreamUrl)
  const redisUrl = hasRedis() ? await startRedis() : undefined
  if (redisUrl === undefined) notes.push('no redis-server on the PATH: embedded store alone')
  const gateways: Gateways = {
    upstream,
    bare: await startBareProxy(upstreamUrl),
    embedded: await startGateway({ name: 'embedded', upstreamUrl }),
    redis: redisUrl
      ? await startGateway({ name: 'redis', upstreamUrl, settings: { REDIS_URL: redisUrl } })
      : undefined,
  }
  await measureLoads(gateways, redisUrl)
  await measureLatency(gateways)
  await measureSize(gateways)
  await measureDisks(gateways)
}

const stop = async (why: string) => {
  progress(why)
  await end()
  process.exit(1)
}
const tooLong = setTimeout(() => stop('The benchmark takes too long.'), longestMs)
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop('Stopped.'))
try {
  await run()
  const rows = judge(results)
  const date = new Date().toISOString().slice(0, 10)
  const command = `npm run bench${quick ? ' -- --quick' : ''}`
  const report = options.json
    ? JSON.stringify({ date, command, machine: machine(), rows, notes }, null, 2)
    : [`${command}, ${date}, ${machine()}`, '', format(rows), '', ...notes].join('\n')
  process.stdout.write(`${report}\n`)
  process.exitCode = rows.some(({ verdict }) => verdict === 'over budget') ? 1 : 0
} finally {
  clearTimeout(tooLong)
  await end()
  process.exit()
}
