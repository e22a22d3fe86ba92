/** The processes around a measurement: a fast upstream, a bare proxy, a redis-server; each Node program with the probe inside. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { Agent, createServer as createHttpServer, request } from 'node:http'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Question, Reading } from './probe.ts'

const contentDeltas = 200
/** Far apart enough that every delta travels in a chunk of its own. */
const deltaIntervalMs = 2
/** In a request's path: the stream falls silent after its first deltas. */
export const idleQuery = '?idle'
/** In a request's path: how many milliseconds the answer takes. */
export const afterQuery = '?after='
/** In a request's path: each delta says when it was sent, in nanoseconds of this machine's clock. */
export const stampedQuery = '?stamped'

export const peers = import.meta.filename
const probe = join(import.meta.dirname, 'probe.ts')
let workspace: string | undefined
const children: ChildProcess[] = []

const event = (type: string, fields: object) =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`

const usage = {
  input_tokens: 200,
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: 100,
  output_tokens: contentDeltas,
}
const message = { id: 'msg_bench', type: 'message', role: 'assistant', model: 'claude-sonnet-4-5' }

const json = JSON.stringify({
  ...message,
  content: [{ type: 'text', text: 'A sentence of an answer. '.repeat(22) }],
  stop_reason: 'end_turn',
  stop_sequence: null,
  usage,
})

const delta = event('content_block_delta', {
  index: 0,
  delta: { type: 'text_delta', text: ' a few words' },
})
const events = [
  event('message_start', { message: { ...message, content: [], stop_reason: null, usage } }),
  event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
  ...Array<string>(contentDeltas).fill(delta),
  event('content_block_stop', { index: 0 }),
  event('message_delta', { delta: { stop_reason: 'end_turn', stop_sequence: null }, usage }),
  event('message_stop', {}),
]
const idleAfterEvents = 5

const head = (type: string, rest: string) =>
  `HTTP/1.1 200 OK\r\ncontent-type: ${type}\r\nrequest-id: req_bench\r\n${rest}\r\n\r\n`
const jsonAnswer = Buffer.from(
  head('application/json', `content-length: ${Buffer.byteLength(json)}`) + json,
)
const streamHead = head('text/event-stream; charset=utf-8', 'transfer-encoding: chunked')
const chunkOf = (text: string) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`
const chunks = events.map(chunkOf)
const deltaChunk = chunkOf(delta)
const stampedDelta = () => delta.replace(' a few words', `@${process.hrtime.bigint()}@`)

/** Answers on the raw socket: an HTTP server would take the time that is to be measured. */
function startUpstream(): Server {
  return createServer((socket) => {
    socket.setNoDelay(true)
    socket.on('error', () => socket.destroy())
    let received = ''
    socket.on('data', (bytes) => {
      received += bytes.toString('latin1')
      const bodyStart = received.indexOf('\r\n\r\n') + 4
      const length = Number(/\r\ncontent-length: (\d+)/i.exec(received)?.[1] ?? 0)
      if (bodyStart < 4 || received.length < bodyStart + length) return
      const path = received.slice(0, received.indexOf('\r\n'))
      const afterMs = Number(/[?]after=(\d+)/.exec(path)?.[1] ?? 0)
      const isStream = received.includes('"stream":true', bodyStart)
      received = ''
      if (isStream) stream(socket, path)
      else if (afterMs > 0) setTimeout(() => socket.write(jsonAnswer), afterMs)
      else socket.write(jsonAnswer)
    })
  })
}

function stream(socket: Socket, path: string): void {
  const isIdle = path.includes(idleQuery)
  const isStamped = path.includes(stampedQuery)
  socket.write(streamHead)
  let sent = 0
  const timer = setInterval(() => {
    if (isIdle && sent === idleAfterEvents) return clearInterval(timer)
    const planned = chunks[sent++]
    const chunk = isStamped && planned === deltaChunk ? chunkOf(stampedDelta()) : planned
    if (chunk !== undefined && !socket.destroyed) return void socket.write(chunk)
    clearInterval(timer)
    socket.write('0\r\n\r\n')
  }, deltaIntervalMs)
}

/** The least that a proxy in Node can be: what the gateway is compared with. */
function startProxy(upstreamUrl: string): Server {
  const { hostname, port } = new URL(upstreamUrl)
  const agent = new Agent({ keepAlive: true, maxSockets: Infinity })
  return createHttpServer((incoming, response) => {
    const { url: path, method, headers } = incoming
    const outgoing = request({ hostname, port, path, method, headers, agent }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    outgoing.on('error', () => response.destroy())
    response.on('close', () => response.writableFinished || outgoing.destroy())
    incoming.pipe(outgoing)
  })
}

function serve(server: Server): void {
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo
    process.stdout.write(`"url":"http://127.0.0.1:${port}"\n`)
  })
}

/** Where this run keeps its files; only a directory that was made here is ever removed. */
export function directory(): string {
  workspace ??= mkdtempSync(join(tmpdir(), 'relay-bench-'))
  return workspace
}

/** Starts a Node program with the probe inside; resolves when it has printed its address. */
export async function start(args: string[], settings: Record<string, string> = {}) {
  const child = spawn(process.execPath, ['--expose-gc', '--import', probe, ...args], {
    cwd: directory(),
    env: { PATH: process.env.PATH ?? '', ...settings },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  children.push(child)
  let output = ''
  const url = await new Promise<string>((resolve, reject) => {
    const read = (text: unknown) => {
      output += text
      const found = /"url":"([^"]+)"/.exec(output)?.[1]
      if (found) resolve(found)
    }
    child.stdout?.on('data', read)
    child.stderr?.on('data', read)
    child.once('exit', () => reject(new Error(`${args.join(' ')} ended: ${output}`)))
  })
  for (const pipe of [child.stdout, child.stderr]) pipe?.removeAllListeners('data').resume()
  return { process: child, url }
}

export async function ask(child: ChildProcess, question: Question): Promise<Reading> {
  const answer = once(child, 'message')
  child.send(question)
  const [reading] = await answer
  return reading
}

export const hasRedis = () => spawnSync('redis-server', ['--version']).status === 0

/** Starts a redis-server that keeps nothing, on a free port. */
export async function startRedis(): Promise<string> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const address = probe.address()
  const port = typeof address === 'object' ? address?.port : undefined
  await new Promise((resolve) => probe.close(resolve))
  const args = ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no']
  const server = spawn('redis-server', args, { cwd: directory() })
  children.push(server)
  for await (const text of server.stdout) if (/ready to accept/i.test(String(text))) break
  return `redis://127.0.0.1:${port}`
}

/** Kills what was started, by its id, and removes what it wrote. */
export async function end(): Promise<void> {
  for (const child of children) child.kill('SIGKILL')
  for (const child of children) {
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }
  if (workspace) rmSync(workspace, { recursive: true, force: true })
}

if (process.argv[1] === import.meta.filename) {
  const [, , role, upstreamUrl = ''] = process.argv
  serve(role === 'proxy' ? startProxy(upstreamUrl) : startUpstream())
}
