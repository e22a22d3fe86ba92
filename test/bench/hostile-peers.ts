/** The processes around the hostile inputs: an upstream that answers as it is asked to, and one that watches a stream. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setInterval as ticks } from 'node:timers/promises'
import { constants, deflateRawSync } from 'node:zlib'

/** Between two deltas of the stream that is watched. */
export const deltaIntervalMs = 20
/** A header of the request, which passes the gateway: what the upstream answers. */
export const answerHeader = 'x-bench-answer'
export type HostileAnswer = 'small' | 'bomb' | 'objects' | 'refusal'

export const hostilePeers = import.meta.filename

/** The longest silence of the watched stream, and of one that bypasses the gateway, since the last question. */
export interface Gaps {
  gatewayMs: number
  directMs: number
  deltas: number
}

/** What one of the gateway's threads worked without letting others run, since the last question. */
export interface Stretch {
  stretchMs: number
}

/** In the environment of a process that is to be asked for its stretches. */
export const stretchProbe = 'BENCH_STRETCH_PROBE'
const probeIntervalMs = 5

const megabyte = 1024 * 1024
const event = (type: string, fields: object) =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`
const usage = { input_tokens: 1, output_tokens: 1 }
const message = { id: 'msg_bench', type: 'message', role: 'assistant', model: 'claude-x' }
const ofObjects = (bytes: number) => `[${'{},'.repeat(bytes / 3)}{}]`

async function steady(response: ServerResponse): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.write(event('message_start', { message: { ...message, content: [], usage } }))
  for await (const _ of ticks(deltaIntervalMs)) {
    if (response.destroyed) return
    response.write(
      event('content_block_delta', { index: 0, delta: { type: 'text_delta', text: 'x' } }),
    )
  }
}

/** 1.7 GB of blanks before anything else, in some 2 MB. */
function bomb(response: ServerResponse): void {
  const block = deflateRawSync(Buffer.alloc(megabyte, ' '), { finishFlush: constants.Z_FULL_FLUSH })
  const head = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3])
  response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
  response.end(Buffer.concat([head, ...Array<Buffer>(1_700).fill(block)]))
}

function json(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(text)
}

const answers: Record<HostileAnswer, (response: ServerResponse) => void> = {
  small: (response) => json(response, 200, JSON.stringify({ ...message, content: [], usage })),
  bomb,
  objects: (response) =>
    json(response, 200, `{"type":"message","usage":{},"content":${ofObjects(60 * megabyte)}}`),
  refusal: (response) =>
    json(response, 400, `{"type":"error","error":${ofObjects(0.9 * megabyte)}}`),
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  for await (const _ of request);
  const wanted = String(request.headers[answerHeader] ?? '')
  if (wanted === '') return steady(response)
  answers[wanted as HostileAnswer](response)
}

async function upstream(): Promise<void> {
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  process.stdout.write(`"url":"http://127.0.0.1:${port}"\n`)
}

/** Follows a stream for ever; `longest` gives its longest silence and begins anew. */
async function follow(url: string, key: string) {
  const response = await fetch(`${url}/v1/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': key },
    body: JSON.stringify({ model: 'claude-x', max_tokens: 1, stream: true, messages: [] }),
  })
  if (!response.ok || !response.body) throw new Error(`${url}: ${await response.text()}`)
  let lastMs = performance.now()
  let longestMs = 0
  let count = 0
  const { body } = response
  const reading = (async () => {
    for await (const _ of body) {
      const nowMs = performance.now()
      longestMs = Math.max(longestMs, nowMs - lastMs)
      lastMs = nowMs
      count++
    }
    throw new Error(`${url}: the stream ended`)
  })()
  reading.catch((error: unknown) => {
    process.stderr.write(`${error}\n`)
    process.exit(1)
  })
  return () => {
    const seen = { ms: Math.max(longestMs, performance.now() - lastMs), count }
    longestMs = 0
    count = 0
    return seen
  }
}

async function watch(gatewayUrl: string, key: string, upstreamUrl: string): Promise<void> {
  const gateway = await follow(gatewayUrl, key)
  const direct = await follow(upstreamUrl, 'sk-ant-direct')
  process.on('message', () => {
    const { ms: gatewayMs, count: deltas } = gateway()
    const gaps: Gaps = { gatewayMs, directMs: direct().ms, deltas }
    process.send?.(gaps)
  })
  process.stdout.write('"url":"watching"\n')
}

/**
 * Measures the time that the main thread itself worked between two ticks: the silence of a stream on a
 * machine that has a processor for it, whatever else runs there. Preloaded into the gateway.
 */
function installStretchProbe(): void {
  const workedMs = () => {
    const { user, system } = process.threadCpuUsage()
    return (user + system) / 1000
  }
  let lastMs = workedMs()
  let stretchMs = 0
  setInterval(() => {
    const nowMs = workedMs()
    stretchMs = Math.max(stretchMs, nowMs - lastMs)
    lastMs = nowMs
  }, probeIntervalMs).unref()
  process.on('message', (question) => {
    if (question !== 'stretch') return
    process.send?.({ stretchMs } satisfies Stretch)
    stretchMs = 0
  })
}

if (process.env[stretchProbe]) installStretchProbe()
if (process.argv[1] === import.meta.filename) {
  const [, , role, url = '', key = '', upstreamUrl = ''] = process.argv
  await (role === 'watch' ? watch(url, key, upstreamUrl) : upstream())
}
