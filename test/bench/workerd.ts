/**
 * Measures the Worker in workerd against bare Workers in one run: `npm run bench:workerd`. Only the
 * ratios mean something on another machine. Ends with 1 when anything is over its budget. Arguments
 * choose parts of it: `streams`, `json`, `start`.
 */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { gzipSync } from 'node:zlib'
import { Pool } from 'undici'
import { buildWorker } from '../hosts/worker-build.ts'
import { bareWorker, bareWorkerWithStore, emptyWorker } from './bare-workers.ts'
import { end, idleQuery, peers, stampedQuery, start } from './peers.ts'
import {
  serveWorker,
  stopWorkers,
  type WorkerProcess,
  type WorkerSource,
} from './workerd-process.ts'

const streamConnections = 8
const streamsPerRound = 48
const jsonConnections = 32
const jsonPerRound = 1_500
const delayedStreams = 16
const idleStreams = 200
const rounds = 3
/** Settlements outlive their answers and belong to the cost of the request. */
const settleMs = 200

const storeBridge = join(import.meta.dirname, 'store-bridge.ts')
const adminPassword = 'a password for the benchmark'

interface Target extends WorkerProcess {
  name: string
  pool: Pool
  key: string
}

interface Line {
  what: string
  measured: string
  value: number
  budget: number
}

const median = (values: number[]) => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

async function startTarget(source: WorkerSource): Promise<Target> {
  const worker = await serveWorker(source)
  const pool = new Pool(worker.url, { connections: 2 * idleStreams, headersTimeout: 30_000 })
  return { ...worker, name: source.name, pool, key: '' }
}

/** Sets the gateway up as an administrator does; returns a key of it. */
async function setUp({ url }: Target, upstreamUrl: string): Promise<string> {
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
  return key
}

/** A request as the vendor's SDK sends it, with a body of some 0.8 KB. */
function messageRequest(key: string, stream: boolean, query = '') {
  return {
    method: 'POST' as const,
    path: `/v1/messages${query}`,
    headers: {
      accept: 'application/json',
      'content-type': 'application/json',
      'x-api-key': key,
      'anthropic-version': '2023-06-01',
      'user-agent': 'Anthropic/JS 1.12.0',
      'x-stainless-lang': 'js',
      'x-stainless-package-version': '1.12.0',
      'x-stainless-retry-count': '0',
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

/** Sends `count` requests, `connections` at a time. @throws Error on an answer that is not whole. */
async function drive(target: Target, stream: boolean, count: number, connections: number) {
  const request = messageRequest(target.key, stream)
  const ending = stream ? 'message_stop' : '"usage":'
  let left = count
  const member = async () => {
    while (left-- > 0) {
      const { statusCode, body } = await target.pool.request(request)
      const text = await body.text()
      if (statusCode === 200 && text.includes(ending)) continue
      throw new Error(`${target.name} answered ${statusCode}: ${text.slice(0, 200)}`)
    }
  }
  await Promise.all(Array.from({ length: connections }, member))
}

/** CPU milliseconds of one request. */
async function cpuOf(target: Target, stream: boolean): Promise<number> {
  const count = stream ? streamsPerRound : jsonPerRound
  const before = target.cpuMicroseconds()
  await drive(target, stream, count, stream ? streamConnections : jsonConnections)
  await delay(settleMs)
  return (target.cpuMicroseconds() - before) / 1000 / count
}

/** Measures in turn what is compared, so that other work of the machine meets all of them. */
async function compare(targets: Target[], stream: boolean): Promise<number[]> {
  for (const target of targets) {
    await drive(target, stream, stream ? 16 : 300, stream ? streamConnections : jsonConnections)
  }
  const measured = targets.map((): number[] => [])
  for (let round = 0; round < rounds; round++) {
    for (const [index, target] of targets.entries()) {
      measured[index]?.push(await cpuOf(target, stream))
    }
  }
  return measured.map(median)
}

/** The same as `delaysOnce`, of the best of several runs: other work of the machine only adds to them. */
async function delaysOf(target: Target) {
  const runs: Awaited<ReturnType<typeof delaysOnce>>[] = []
  for (let run = 0; run < 5; run++) runs.push(await delaysOnce(target))
  const best = (name: 'medianMs' | 'firstMs') => Math.min(...runs.map((run) => run[name]))
  return { medianMs: best('medianMs'), firstMs: best('firstMs') }
}

/** Milliseconds from the upstream's write of a delta to its arrival, of all and of the first ones. */
async function delaysOnce(target: Target) {
  const request = messageRequest(target.key, true, stampedQuery)
  const all: number[] = []
  const first: number[] = []
  const one = async (index: number) => {
    await delay(index * 7)
    const { body } = await target.pool.request(request)
    let tail = ''
    let isFirst = true
    for await (const bytes of body) {
      const nowNs = process.hrtime.bigint()
      const parts = (tail + bytes).split('@')
      tail = parts.length % 2 === 0 ? `@${parts.pop()}` : ''
      for (let i = 1; i < parts.length; i += 2) {
        const delayMs = Number(nowNs - BigInt(parts[i] ?? 0)) / 1e6
        all.push(delayMs)
        if (isFirst) first.push(delayMs)
        isFirst = false
      }
    }
  }
  await Promise.all(Array.from({ length: delayedStreams }, (_, index) => one(index)))
  return { medianMs: median(all), firstMs: median(first) }
}

/**
 * What one more stream holds while it is open and silent, beside as many others: the first ones also
 * make the heap as large as it is from then on.
 */
async function kibibytesPerStream(target: Target): Promise<number> {
  const request = messageRequest(target.key, true, idleQuery)
  const openMany = () =>
    Promise.all(
      Array.from({ length: idleStreams }, async () => {
        const { body } = await target.pool.request(request)
        body.on('error', () => {}).on('data', () => {})
        return body
      }),
    )
  await drive(target, true, 200, jsonConnections)
  const first = await openMany()
  await delay(500)
  const before = target.residentBytes()
  const more = await openMany()
  await delay(500)
  const held = target.residentBytes() - before
  for (const body of [...first, ...more]) body.destroy()
  await delay(settleMs)
  return held / idleStreams / 1024
}

/** CPU milliseconds of a new process up to its first answer, be it a refusal. */
async function cpuToFirstAnswer(source: WorkerSource): Promise<number> {
  const measured: number[] = []
  for (let i = 0; i < 5; i++) {
    const worker = await serveWorker(source)
    const { body, headers, method, path } = messageRequest('cr_unknown', false)
    await (await fetch(worker.url + path, { method, headers, body })).text()
    measured.push(worker.cpuMicroseconds() / 1000)
    await worker.stop()
  }
  return median(measured)
}

/** The gateway and its floors, running, with what they are made from. */
interface Field {
  bare: Target
  bareWithStore: Target
  gateway: Target
  empty: WorkerSource
  gatewaySource: WorkerSource
}

async function startField(): Promise<Field> {
  const { script, compatibilityDate, compatibilityFlags } = await buildWorker()
  const token = randomBytes(16).toString('hex')
  const upstream = await start([peers, 'upstream'])
  const store = await start([storeBridge, token])
  const host = { compatibilityDate, compatibilityFlags }
  const settings = {
    ADMIN_PASSWORD: adminPassword,
    JWT_SECRET: randomBytes(32).toString('hex'),
    ENCRYPTION_KEY: randomBytes(32).toString('hex'),
    ALLOW_PRIVATE_UPSTREAMS: 'true',
    UPSTASH_REDIS_REST_URL: store.url,
    UPSTASH_REDIS_REST_TOKEN: token,
  }
  const gatewaySource = { ...host, name: 'gateway', script, bindings: settings }
  const bindings = { UPSTREAM_URL: upstream.url, STORE_URL: store.url, STORE_TOKEN: token }
  const floor = (name: string, text: string) => ({ ...host, name, script: text, bindings })
  const gateway = await startTarget(gatewaySource)
  gateway.key = await setUp(gateway, upstream.url)
  return {
    bare: await startTarget(floor('bare', bareWorker)),
    bareWithStore: await startTarget(floor('bare-with-store', bareWorkerWithStore)),
    gateway,
    empty: floor('empty', emptyWorker),
    gatewaySource,
  }
}

const fixed = (value: number) => value.toFixed(2)

function ratio(what: string, unit: string, [value, floor]: number[], budget: number): Line {
  const [ours, least] = [value ?? Number.NaN, floor ?? Number.NaN]
  const measured = `${fixed(ours)} / ${fixed(least)} ${unit}`
  return { what, measured, value: ours / least, budget }
}

async function streamLines({ gateway, bare }: Field): Promise<Line[]> {
  const kib = [await kibibytesPerStream(gateway), await kibibytesPerStream(bare)]
  const cpu = await compare([gateway, bare], true)
  const least = await delaysOf(bare)
  const { medianMs, firstMs } = await delaysOf(gateway)
  const first = `${fixed(firstMs)} - ${fixed(least.firstMs)} ms`
  return [
    ratio('200-delta stream, CPU', 'ms', cpu, 3.5),
    {
      what: 'median delta, delay in ms',
      measured: `bare ${fixed(least.medianMs)} ms`,
      value: medianMs,
      budget: 12,
    },
    {
      what: 'first delta, delay over bare in ms',
      measured: first,
      value: firstMs - least.firstMs,
      budget: 1,
    },
    ratio('slow stream, memory', 'KiB', kib, 1.3),
  ]
}

async function jsonLines({ gateway, bare, bareWithStore }: Field): Promise<Line[]> {
  const [cpu = 0, floor = 0, least = 0] = await compare([gateway, bareWithStore, bare], false)
  return [
    ratio('JSON, CPU, floor with two store calls', 'ms', [cpu, floor], 1.6),
    ratio('JSON, CPU, floor without them', 'ms', [cpu, least], Number.POSITIVE_INFINITY),
  ]
}

async function startLines({ gatewaySource, empty }: Field): Promise<Line[]> {
  const { script } = gatewaySource
  const first = { ...gatewaySource, name: 'first-answer' }
  const cpu = [await cpuToFirstAnswer(first), await cpuToFirstAnswer(empty)]
  return [
    ratio('first answer, CPU of the process', 'ms', cpu, 7),
    {
      what: 'bundle, gzipped, in KiB',
      measured: `${(script.length / 1024).toFixed(0)} KiB in all`,
      value: gzipSync(script).byteLength / 1024,
      budget: 345,
    },
  ]
}

const parts = { streams: streamLines, json: jsonLines, start: startLines }

function print({ what, measured, value, budget }: Line): void {
  const isOver = value > budget
  const limit = Number.isFinite(budget) ? `≤ ${budget}` : ''
  const cells = [measured.padStart(20), fixed(value).padStart(10), limit.padStart(8)]
  process.stdout.write(`${what.padEnd(40)}${cells.join('  ')}${isOver ? '  OVER' : ''}\n`)
  if (isOver) process.exitCode = 1
}

const { positionals } = parseArgs({ allowPositionals: true })

try {
  const field = await startField()
  for (const [name, measure] of Object.entries(parts)) {
    if (positionals.length > 0 && !positionals.includes(name)) continue
    for (const line of await measure(field)) print(line)
  }
} finally {
  await stopWorkers()
  await end()
}
process.exit()
