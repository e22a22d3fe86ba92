/**
 * Sends hostile inputs to a gateway while another client's stream with a delta every 20 ms is watched:
 * `npm run hostile`. Prints for each the longest silence of that stream, beside that of a stream which
 * bypasses the gateway at the same time; the longest stretch that the gateway's main thread itself
 * worked without letting others run, which the load of the machine does not change; and the memory.
 * Exits with 1 when a stretch is longer than 100 ms.
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import {
  answerHeader,
  type Gaps,
  type HostileAnswer,
  hostilePeers,
  type Stretch,
  stretchProbe,
} from './hostile-peers.ts'
import { ask, directory, end, start } from './peers.ts'

const allowedMs = 100
const megabyte = 1024 * 1024
const adminPassword = 'a password for the benchmark'
const gatewayProgram = join(import.meta.dirname, '..', '..', 'src', 'node.ts')
const print = (line: string) => process.stdout.write(`${line}\n`)

const size = 30 * megabyte
const wrapped = (messages: string) => `{"model":"claude-x","max_tokens":1,"messages":${messages}}`
const bodies = {
  'bodies of [{},{},…]': wrapped(`[${'{},'.repeat(size / 3)}{}]`),
  'bodies of […,[[],[[]]],…]': wrapped(
    `[${`${'['.repeat(200)}${']'.repeat(200)},`.repeat(size / 401)}0]`,
  ),
  'deep nesting': wrapped('['.repeat(size)),
  'one long string': wrapped(`[{"role":"user","content":"${'x'.repeat(size)}"}]`),
  'one long string of escapes': wrapped(
    `[{"role":"user","content":"${'\\u0041'.repeat(size / 6)}"}]`,
  ),
  'many keys': `{"model":"claude-x",${'"k":0,'.repeat(size / 6)}"l":0}`,
  'many keys in a message': wrapped(`[{${'"k":0,'.repeat(size / 6)}"role":"user"}]`),
  'white space': wrapped(`[${`${' '.repeat(60_000)}0,`.repeat(size / 60_002)}0]`),
}

interface Target {
  url: string
  key: string
  deletedKey: string
}

async function post(target: Target, key: string, body: string, wanted: HostileAnswer = 'small') {
  const headers = { 'content-type': 'application/json', 'x-api-key': key, [answerHeader]: wanted }
  try {
    const response = await fetch(`${target.url}/v1/messages`, { method: 'POST', headers, body })
    await response.arrayBuffer()
    return response.status
  } catch {
    // It was ended before all of it was sent.
    return 0
  }
}

const several = (count: number, work: (index: number) => Promise<unknown>) =>
  Promise.all(Array.from({ length: count }, (_, index) => work(index)))

/** Sends a head on a raw socket, and waits for the end. */
async function flood({ url }: Target, head: string): Promise<void> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => {}).resume()
  socket.write(`POST /v1/messages HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${head}\r\n\r\n`)
  await once(socket, 'close').catch(() => {})
}

type Attack = [name: string, run: (target: Target) => Promise<unknown>]

const small = wrapped('[]')
const attacks: Attack[] = [
  ...Object.entries(bodies).map(
    ([name, body]): Attack => [
      `4 × 30 MB, ${name}`,
      (target) => several(4, () => post(target, target.key, body)),
    ],
  ),
  [
    '40 uploads of 30 MB with a deleted key',
    (target) => several(40, () => post(target, target.deletedKey, bodies['one long string'])),
  ],
  [
    '150 logins',
    ({ url }) =>
      several(150, async (index) => {
        const body = JSON.stringify({ username: `user-${index}`, password: 'a wrong password' })
        const headers = { 'content-type': 'application/json' }
        const init = { method: 'POST', headers, body }
        await (await fetch(`${url}/api/v2/auth/admin/login`, init)).arrayBuffer()
      }),
  ],
  ...(['bomb', 'objects', 'refusal'] as const).map(
    (wanted): Attack => [
      `4 × an answer: ${wanted}`,
      (target) => several(4, () => post(target, target.key, small, wanted)),
    ],
  ),
  [
    '500 × headers of 15 KB',
    (target) =>
      several(500, (index) => flood(target, `x-api-key: ${'a ,"'.repeat(3_700)}${index}`)),
  ],
  [
    '500 × a thousand headers',
    (target) =>
      several(500, () =>
        flood(target, Array.from({ length: 1_000 }, (_, i) => `x${i}: ${i}`).join('\r\n')),
      ),
  ],
  [
    '2,000 unknown keys',
    (target) =>
      several(50, async (lane) => {
        for (let i = 0; i < 40; i++) {
          await post(target, `cr_${String(40 * lane + i).padStart(32, '0')}`, small)
        }
      }),
  ],
]

async function setUp(): Promise<{
  target: Target
  gateway: Child
  upstreamUrl: string
}> {
  const upstream = await start([hostilePeers, 'upstream'])
  const gateway = await start(['--import', hostilePeers, gatewayProgram], {
    [stretchProbe]: 'on',
    PORT: '0',
    ADMIN_PASSWORD: adminPassword,
    ALLOW_PRIVATE_UPSTREAMS: 'true',
    DATA_DIR: join(directory(), 'hostile'),
  })
  const { url } = gateway
  let token = ''
  const call = async (method: string, path: string, body?: object) => {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` }
    const init = { method, headers, ...(body && { body: JSON.stringify(body) }) }
    const response = await fetch(`${url}/api/v2${path}`, init)
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
    return text === '' ? {} : JSON.parse(text)
  }
  ;({ token } = await call('POST', '/auth/admin/login', {
    username: 'admin',
    password: adminPassword,
  }))
  const account = { name: 'bench', apiUrl: upstream.url, apiKey: 'sk-ant-bench' }
  await call('POST', '/accounts/claude-console', account)
  const { key } = await call('POST', '/keys', { name: 'hostile' })
  const deleted = await call('POST', '/keys', { name: 'deleted' })
  await call('DELETE', `/keys/${deleted.id}`)
  const { key: watched } = await call('POST', '/keys', { name: 'watched' })
  const target = { url, key, deletedKey: deleted.key }
  const watcher = await start([hostilePeers, 'watch', url, watched, upstream.url])
  gaps = () => askFor<Gaps>(watcher, 'gaps', 'gatewayMs')
  return { target, gateway, upstreamUrl: upstream.url }
}

type Child = Awaited<ReturnType<typeof start>>

/** The answer to `question` that has `field`: other probes in the process answer every message too. */
function askFor<Answer>(
  { process: child }: Child,
  question: string,
  field: keyof Answer,
): Promise<Answer> {
  return new Promise((resolve) => {
    const take = (answer: object) => {
      if (!(field in answer)) return
      child.off('message', take)
      resolve(answer as Answer)
    }
    child.on('message', take)
    child.send(question)
  })
}

let gaps: () => Promise<Gaps> = () => Promise.reject(new Error('Not set up'))

/** The highest resident memory while `work` runs, in bytes. */
async function highest(gateway: Child, work: Promise<unknown>) {
  let isOver = false
  let bytes = 0
  const over = work.finally(() => {
    isOver = true
  })
  while (!isOver) {
    const { residentBytes } = await ask(gateway.process, { collect: false })
    bytes = Math.max(bytes, residentBytes)
    await delay(100)
  }
  await over
  return bytes
}

const row = ([name = '', ...cells]: string[]) =>
  name.padEnd(44) + cells.map((cell) => cell.padStart(12)).join('')

async function run(): Promise<boolean> {
  const { target, gateway } = await setUp()
  const isWanted = ([name]: Attack) => process.argv.slice(2).every((word) => name.includes(word))
  let isGood = true
  print(
    row([
      'longest silence of the stream',
      'gateway ms',
      'direct ms',
      'stretch ms',
      'RSS MiB',
      'took s',
    ]),
  )
  for (const [name, attack] of [
    ['nothing', () => delay(1_000)] as Attack,
    ...attacks.filter(isWanted),
  ]) {
    await gaps()
    await askFor<Stretch>(gateway, 'stretch', 'stretchMs')
    const startMs = performance.now()
    const bytes = await highest(gateway, attack(target))
    const tookSeconds = (performance.now() - startMs) / 1000
    const { gatewayMs, directMs } = await gaps()
    const { stretchMs } = await askFor<Stretch>(gateway, 'stretch', 'stretchMs')
    const isOver = stretchMs > allowedMs
    if (isOver) isGood = false
    const cells = [gatewayMs, directMs, stretchMs, bytes / megabyte].map((value) =>
      value.toFixed(0),
    )
    print(row([name, ...cells, tookSeconds.toFixed(1)]) + (isOver ? '  TOO LONG' : ''))
    await delay(300)
  }
  return isGood
}

try {
  if (!(await run())) process.exitCode = 1
} finally {
  await end()
}
