/**
 * Measures the relay against a bare proxy in one run: `node test/bench/relay.ts`. Only the ratios mean
 * something on another machine. Prints, and judges nothing.
 */
import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Pool } from 'undici'
import { ask, directory, end, hasRedis, idleQuery, peers, start, startRedis } from './peers.ts'

const concurrency = 32
const rounds = 3
const idleStreams = 200
/** Settlements outlive their answers and belong to the cost of the request. */
const settleMs = 150

const gateway = join(import.meta.dirname, '..', '..', 'src', 'node.ts')
const adminPassword = 'a password for the benchmark'

interface Kind {
  name: string
  stream: boolean
  requestsPerRound: number
  /** The last thing that a complete answer says. */
  ending: string
}

const kinds: Kind[] = [
  { name: 'JSON', stream: false, requestsPerRound: 6_000, ending: '"usage":' },
  { name: '200-delta stream', stream: true, requestsPerRound: 96, ending: 'message_stop' },
]

interface Target {
  name: string
  process: ChildProcess
  pool: Pool
  key: string
  /** How many times the baseline each kind may cost, by its name. */
  budgets: Record<string, number>
}

interface Round {
  requestsPerSecond: number
  cpuMicroseconds: number
  latenciesMs: number[]
}

const print = (line: string) => process.stdout.write(`${line}\n`)
const median = (values: number[]) => percentile(values, 50)

function percentile(values: number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.ceil((sorted.length * percent) / 100) - 1] ?? Number.NaN
}

async function startBaseline(upstreamUrl: string): Promise<Target> {
  const { process, url } = await start([peers, 'proxy', upstreamUrl])
  return { name: 'bare proxy', process, pool: poolTo(url), key: '', budgets: {} }
}

/** Starts a gateway and sets it up as an administrator does. */
async function startGateway(
  store: string,
  upstreamUrl: string,
  settings: Record<string, string>,
  budgets: Target['budgets'],
): Promise<Target> {
  const { process, url } = await start([gateway], {
    PORT: '0',
    ADMIN_PASSWORD: adminPassword,
    ALLOW_PRIVATE_UPSTREAMS: 'true',
    DATA_DIR: join(directory(), store),
    ...settings,
  })
  const post = async (path: string, body: object, token = ''): Promise<Record<string, string>> => {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` }
    const init = { method: 'POST', headers, body: JSON.stringify(body) }
    const response = await fetch(`${url}/api/v2${path}`, init)
    const text = await response.text()
    if (!response.ok) throw new Error(`POST ${path}: ${response.status} ${text}`)
    return JSON.parse(text)
  }
  const credentials = { username: 'admin', password: adminPassword }
  const { token } = await post('/auth/admin/login', credentials)
  const account = { name: 'bench', apiUrl: upstreamUrl, apiKey: 'sk-ant-bench' }
  await post('/accounts/claude-console', account, token)
  const { key = '' } = await post('/keys', { name: 'bench' }, token)
  return { name: `gateway on ${store}`, process, pool: poolTo(url), key, budgets }
}

const poolTo = (url: string) => new Pool(url, { connections: idleStreams, headersTimeout: 30_000 })

/** A request as the vendor's SDK sends it, with a body of some 0.8 KB. */
function messageRequest({ key }: Target, stream: boolean, query = '') {
  return {
    method: 'POST' as const,
    path: `/v1/messages${query}`,
    headers: {
      accept: 'application/json',
      'content-type': 'application/json',
      'x-api-key': key,
      'anthropic-version': '2023-06-01',
      'user-agent': 'Anthropic/JS 1.12.0',
      'x-stainless-arch': 'x64',
      'x-stainless-lang': 'js',
      'x-stainless-os': 'Linux',
      'x-stainless-package-version': '1.12.0',
      'x-stainless-retry-count': '0',
      'x-stainless-runtime': 'node',
      'x-stainless-timeout': '600',
    },
    body: JSON.stringify({
      model: 'claude-sonnet-4-5-20250929',
      max_tokens: 1024,
      system: 'You answer in one sentence. '.repeat(10),
      messages: [{ role: 'user', content: 'What is the answer to this question? '.repeat(10) }],
      stream,
    }),
  }
}

/** Sends `count` requests, `concurrency` at a time. @throws Error on an answer that is not whole. */
async function drive(target: Target, kind: Kind, count: number): Promise<number[]> {
  const request = messageRequest(target, kind.stream)
  const latenciesMs: number[] = []
  let left = count
  const member = async () => {
    while (left-- > 0) {
      const startMs = performance.now()
      const { statusCode, body } = await target.pool.request(request)
      const text = await body.text()
      latenciesMs.push(performance.now() - startMs)
      if (statusCode === 200 && text.includes(kind.ending)) continue
      throw new Error(`${target.name} answered ${statusCode}: ${text.slice(0, 200)}`)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, member))
  return latenciesMs
}

async function measure(target: Target, kind: Kind): Promise<Round> {
  const before = await ask(target.process, { collect: false })
  const startMs = performance.now()
  const latenciesMs = await drive(target, kind, kind.requestsPerRound)
  const elapsedSeconds = (performance.now() - startMs) / 1000
  await delay(settleMs)
  const after = await ask(target.process, { collect: false })
  const cpuMicroseconds = (after.cpuMicroseconds - before.cpuMicroseconds) / kind.requestsPerRound
  return { requestsPerSecond: kind.requestsPerRound / elapsedSeconds, cpuMicroseconds, latenciesMs }
}

/** What one stream holds while it is open and silent. */
async function memoryPerStream(target: Target) {
  const request = messageRequest(target, true, idleQuery)
  for (const kind of kinds) await drive(target, kind, concurrency)
  const before = await ask(target.process, { collect: true })
  const open = await Promise.all(
    Array.from({ length: idleStreams }, async () => {
      const { body } = await target.pool.request(request)
      body.on('error', () => {}).on('data', () => {})
      return body
    }),
  )
  await delay(300)
  const after = await ask(target.process, { collect: true })
  for (const body of open) body.destroy()
  await delay(settleMs)
  const kibibytes = (bytes: number) => (bytes / idleStreams / 1024).toFixed(1)
  return {
    resident: kibibytes(after.residentBytes - before.residentBytes),
    heap: kibibytes(after.heapBytes - before.heapBytes),
  }
}

function report(kind: Kind, targets: Target[], results: Map<Target, Round[]>): void {
  print(`\n${kind.name}: ${rounds} rounds of ${kind.requestsPerRound}, ${concurrency} at a time`)
  print(row(['', 'req/s', 'CPU µs/req', 'p50 ms', 'p99 ms', 'ratio', 'budget']))
  const roundsOf = (target: Target | undefined) => (target && results.get(target)) ?? []
  const baseline = roundsOf(targets[0]).map((round) => round.cpuMicroseconds)
  for (const target of targets) {
    const measured = roundsOf(target)
    const latenciesMs = measured.flatMap((round) => round.latenciesMs)
    const ratios = measured.map((round, i) => round.cpuMicroseconds / (baseline[i] ?? Number.NaN))
    const budget = target.budgets[kind.name]
    print(
      row([
        target.name,
        median(measured.map((round) => round.requestsPerSecond)).toFixed(0),
        median(measured.map((round) => round.cpuMicroseconds)).toFixed(1),
        percentile(latenciesMs, 50).toFixed(2),
        percentile(latenciesMs, 99).toFixed(2),
        `${median(ratios).toFixed(2)}×`,
        budget === undefined ? '' : `≤ ${budget}×`,
      ]),
    )
  }
}

const row = ([name = '', ...cells]: string[]) =>
  name.padEnd(22) + cells.map((cell) => cell.padStart(11)).join('')

async function run(): Promise<void> {
  const upstream = await start([peers, 'upstream'])
  const targets = [
    await startBaseline(upstream.url),
    await startGateway('embedded', upstream.url, {}, { JSON: 4, '200-delta stream': 1.5 }),
  ]
  if (hasRedis()) {
    const settings = { REDIS_URL: await startRedis() }
    const budgets = { JSON: 2, '200-delta stream': 1.5 }
    targets.push(await startGateway('redis', upstream.url, settings, budgets))
  } else print('No redis-server on the PATH: measuring the embedded store alone.')

  // Before the load: afterwards the heap has room to spare, and streams would seem to cost nothing.
  print(`Memory per open stream, ${idleStreams} of them`)
  print(row(['', 'RSS KiB', 'heap KiB', 'budget']))
  for (const target of targets) {
    const { resident, heap } = await memoryPerStream(target)
    print(row([target.name, resident, heap, target === targets[0] ? '' : '≤ 64']))
  }

  const results = new Map(kinds.map((kind) => [kind, new Map<Target, Round[]>()]))
  for (const target of targets) {
    for (const kind of kinds) await drive(target, kind, kind.requestsPerRound)
  }
  for (let round = 0; round < rounds; round++) {
    for (const [kind, byTarget] of results) {
      for (const target of targets) {
        byTarget.set(target, [...(byTarget.get(target) ?? []), await measure(target, kind)])
      }
    }
  }
  for (const [kind, byTarget] of results) report(kind, targets, byTarget)
  await Promise.all(targets.map(({ pool }) => pool.destroy()))
}

try {
  await run()
} finally {
  await end()
}
