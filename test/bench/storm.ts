/**
 * Proves that failover is invisible, with a gateway in a process of its own: `npm run storm --
 * --requests 10000 --concurrency 200 --store embedded --seed 1`. Ends with 1 when anything is wrong.
 */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { createEmbeddedEngine } from '../../src/node/engines/embedded/engine.ts'
import { createTcpEngine } from '../../src/node/engines/tcp.ts'
import { createRedis } from '../../src/store/redis.ts'
import { checkStats } from '../support/storm/check-ledger.ts'
import { readLog } from '../support/storm/log.ts'
import { connectAdmin, connectClients } from '../support/storm/over-http.ts'
import type { Phase, Stage } from '../support/storm/phase.ts'
import { report } from '../support/storm/report.ts'
import { openStage, runStorm } from '../support/storm/storm.ts'
import { startStormUpstreams } from '../support/storm/upstreams.ts'
import { judgeStorm, missingKinds } from '../support/storm/verdict.ts'
import { directory, end, start, startRedis } from './peers.ts'

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '10000' },
    concurrency: { type: 'string', default: '200' },
    store: { type: 'string', default: 'embedded' },
    seed: { type: 'string', default: '1' },
    'reset-every': { type: 'string', default: '20' },
    // In seconds: a machine too busy to serve a healthy upstream within it will not pass.
    timeout: { type: 'string', default: '5' },
  },
})
const requests = Number(values.requests)
const concurrency = Number(values.concurrency)
const seed = Number(values.seed)
const store = values.store === 'redis' ? 'redis' : 'embedded'

const longestMs = 10 * 60_000
/** Long enough that so many clients do not simply measure how busy the gateway is. */
const thinkMs = 1_000
const calmShare = 0.15
const calmSeconds = 8
const gatewayPassword = 'a password for the storm'
const maxShown = 20
const print = (text: string) => process.stdout.write(`${text}\n`)

/** Starts the gateway with short time-outs, which are its own settings, and collects its log. */
async function startGateway(redisUrl: string | undefined) {
  const dataDir = join(directory(), 'data')
  const entry = join(import.meta.dirname, '..', '..', 'src', 'node.ts')
  const gateway = await start([entry], {
    PORT: '0',
    ADMIN_PASSWORD: gatewayPassword,
    ALLOW_PRIVATE_UPSTREAMS: 'true',
    DATA_DIR: dataDir,
    UPSTREAM_CONNECT_TIMEOUT_SECONDS: values.timeout,
    UPSTREAM_FIRST_BYTE_TIMEOUT_SECONDS: values.timeout,
    UPSTREAM_IDLE_TIMEOUT_SECONDS: values.timeout,
    UPSTREAM_JSON_TIMEOUT_SECONDS: values.timeout,
    STREAM_KEEPALIVE_SECONDS: '1',
    REQUEST_DEADLINE_SECONDS: '30',
    ...(redisUrl && { REDIS_URL: redisUrl }),
  })
  const log: string[] = []
  let rest = ''
  gateway.process.stdout?.on('data', (bytes) => {
    const lines = (rest + bytes).split('\n')
    rest = lines.pop() ?? ''
    log.push(...lines)
  })
  return { ...gateway, log, path: join(dataDir, 'store.sqlite') }
}

/** Ends the gateway in order; whatever it still had to settle is in the store then. */
async function stop(gateway: ChildProcess): Promise<string[]> {
  const ended = once(gateway, 'exit')
  gateway.kill('SIGTERM')
  const [code] = await ended
  return code === 0 ? [] : [`the gateway ended with ${code}`]
}

/** Waits until every request has its line in the log; its settlement follows at once. */
async function settled(log: readonly string[], count: number): Promise<void> {
  for (let waits = 0; waits < 100 && readLog(log).served.length < count; waits++) await delay(50)
  await delay(500)
}

async function run(): Promise<string[]> {
  const upstreams = await startStormUpstreams(seed, thinkMs)
  const redisUrl = store === 'redis' ? await startRedis() : undefined
  const gateway = await startGateway(redisUrl)
  const clients = connectClients(gateway.url, concurrency)
  const admin = await connectAdmin(gateway.url, gatewayPassword)
  const host = { send: clients.send, admin, log: gateway.log }
  const stage: Stage = await openStage({ seed, slackMs: 1_000 }, host, upstreams)
  const calmRequests = Math.round(requests * calmShare)
  const phases: Phase[] = await runStorm(stage, {
    turns: upstreams.names,
    requests,
    concurrency,
    resetEveryMs: Number(values['reset-every']),
    waits: 'also',
    calm: {
      requests: calmRequests,
      perSecond: calmRequests / upstreams.names.length / calmSeconds,
      waits: 'also',
    },
  })
  await settled(gateway.log, requests)
  const misbooked = await checkStats(stage, phases)
  await clients.close()
  const unclean = await stop(gateway.process)
  await upstreams.close()

  const engine = redisUrl
    ? createTcpEngine({ url: redisUrl, timeoutMs: 5_000 })
    : createEmbeddedEngine({ path: gateway.path })
  const { violations, tries } = await judgeStorm(stage, phases, createRedis(engine))
  await engine.close()
  const missing = missingKinds(tries).map((name) => `"${name}" did not occur`)
  for (const line of report(stage, phases, readLog(gateway.log), tries)) print(line)
  return [...violations, ...misbooked, ...unclean, ...missing]
}

const tooLong = setTimeout(async () => {
  print('The storm takes too long.')
  await end()
  process.exit(1)
}, longestMs)
try {
  print(`${requests} requests, ${concurrency} at a time, seed ${seed}, ${store} store`)
  const violations = await run()
  for (const violation of violations.slice(0, maxShown)) print(`VIOLATION ${violation}`)
  print(violations.length === 0 ? 'Nothing was violated.' : `${violations.length} violations`)
  process.exitCode = violations.length === 0 ? 0 : 1
} finally {
  clearTimeout(tooLong)
  await end()
}
