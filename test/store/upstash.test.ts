import { createHash } from 'node:crypto'
import type { Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { GatewayError } from '../../src/errors.ts'
import { openEngine } from '../../src/node/engines/open-engine.ts'
import { createKeyspace } from '../../src/store/keyspace.ts'
import { createRedis } from '../../src/store/redis.ts'
import { runScript } from '../../src/store/run-script.ts'
import { defineScript } from '../../src/store/script.ts'
import { createUpstashEngine } from '../../src/store/upstash.ts'
import { type RawUpstream, startRawUpstream } from '../support/raw-upstream.ts'
import { createVirtualTime } from '../support/virtual-time.ts'

const TOKEN = 'token-that-nobody-may-see'
const ARGUMENT = 'argument-that-nobody-may-see'
const TIMEOUT_MS = 200
/** Passes by hand, so that only what is told to be late is late. */
const clock = createVirtualTime(0)

let store: RawUpstream | undefined
let requests: string[] = []
afterEach(async () => {
  await store?.close()
  store = undefined
  requests = []
})

const http = (status: number, body: string, length = Buffer.byteLength(body)) =>
  `HTTP/1.1 ${status} x\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n${body}`

/** Starts a store that gives every request the same bytes, or acts on its socket. */
async function storeThat(answer: string | ((socket: Socket, request: string) => void)) {
  store = await startRawUpstream((socket, request) => {
    requests.push(request)
    if (typeof answer === 'string') socket.write(answer)
    else answer(socket, request)
  })
  return createUpstashEngine({ url: store.url, token: TOKEN, timeoutMs: TIMEOUT_MS, clock })
}

type Engine = Awaited<ReturnType<typeof storeThat>>

/** Everything that a log could print of the error. */
async function failure(engine: Engine, path?: string): Promise<string> {
  const command = ['SET', 'k', ARGUMENT]
  const request = path ? { path: [path], body: [command] } : { body: command }
  const error: unknown = await engine.request(request).then(
    () => expect.unreachable(),
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(Error)
  const printed = `${error}${(error as Error).stack}${JSON.stringify(error)}`
  expect((error as Error).cause).toBeUndefined()
  for (const secret of [TOKEN, ARGUMENT, '127.0.0.1']) expect(printed).not.toContain(secret)
  return (error as Error).message
}

describe('a store that cannot serve', () => {
  const answers: [what: string, answer: string, message: string][] = [
    [
      'refuses the token',
      http(401, '{"error":"Unauthorized"}'),
      'UPSTASH_REDIS_REST_TOKEN is refused',
    ],
    [
      'refuses the token in the words of Redis',
      http(401, '{"error":"WRONGPASS invalid or missing auth token"}'),
      'UPSTASH_REDIS_REST_TOKEN is refused',
    ],
    ['fails', http(500, '{"error":"Internal Server Error"}'), 'an error that is not of Redis'],
    ['fails without a word', http(500, '{}'), 'an error that is not of Redis'],
    ['fails without JSON', http(502, `<html>${ARGUMENT}</html>`), 'the answer is not JSON'],
    ['answers with garbage', http(200, `nonsense ${ARGUMENT}`), 'the answer is not JSON'],
    ['answers with half a reply', http(200, '{"result":"ab'), 'the answer is not JSON'],
    ['answers with nothing', http(200, ''), 'the answer is not JSON'],
    ['answers with other JSON', http(200, '{"hello":1}'), 'not of the REST protocol'],
    ['answers with null', http(200, 'null'), 'not of the REST protocol'],
    ['answers with too many replies', http(200, '[{"result":1},{"result":1}]'), 'not of the REST'],
    [
      'has no commands left for this account',
      http(400, `{"error":"ERR max daily request limit exceeded. ${ARGUMENT}"}`),
      'the store refuses commands: ERR max daily request limit exceeded',
    ],
    ['does not speak HTTP', 'hello\r\n\r\n', 'cannot be reached'],
  ]
  for (const [what, answer, message] of answers) {
    it(`rejects once, without secrets, when the store ${what}`, async () => {
      const engine = await storeThat(answer)
      expect(await failure(engine)).toContain(message)
      expect(requests).toHaveLength(1)
      expect(await failure(engine, 'pipeline')).toContain(message)
      expect(await failure(engine, 'multi-exec')).toContain(message)
      expect(requests).toHaveLength(3)
    })
  }

  it.each([
    ['says nothing', () => {}],
    ['stops half-way', (socket: Socket) => socket.write(http(200, '{"result":', 100))],
  ])('rejects within its time-out when the store %s', async (_what, answer) => {
    const engine = await storeThat(answer)
    let isOver = false
    const failed = failure(engine).finally(() => {
      isOver = true
    })
    await expect.poll(() => requests.length).toBe(1)
    await clock.pass(TIMEOUT_MS - 1)
    expect(isOver).toBe(false)
    await clock.pass(1)
    expect(await failed).toBe(`UPSTASH_REDIS_REST_URL: no answer within ${TIMEOUT_MS} ms`)
    expect(requests).toHaveLength(1)
  })

  it('sends a command once when the connection breaks under it', async () => {
    const engine = await storeThat((socket) => socket.destroy())
    expect(await failure(engine)).toMatch(/^UPSTASH_REDIS_REST_URL: cannot be reached/)
    expect(requests).toHaveLength(1)
  })

  it('names the reason when nobody listens', async () => {
    const engine = await storeThat('')
    await store?.close()
    expect(await failure(engine)).toBe('UPSTASH_REDIS_REST_URL: cannot be reached: ECONNREFUSED')
  })

  it('is, to the gateway, a store that is unavailable', async () => {
    const redis = createRedis(await storeThat(http(503, '{"error":"Service Unavailable"}')))
    const error: unknown = await redis.set('k', ARGUMENT).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(GatewayError)
    expect(error).toMatchObject({ code: 'store_unavailable' })
    expect(String((error as Error).cause)).not.toContain(ARGUMENT)
  })
})

describe('settings of Upstash that cannot work', () => {
  it('are named, and never repeated', () => {
    for (const url of ['name.upstash.io', 'redis://secret@host', 'https://']) {
      const create = () => createUpstashEngine({ url, token: TOKEN, timeoutMs: 1, clock })
      expect(create).toThrow('UPSTASH_REDIS_REST_URL: expected https://name.upstash.io')
    }
  })

  it('include a token that no header can carry', () => {
    for (const token of [`${TOKEN}\n`, ` ${TOKEN}`, '\u20ac', '']) {
      const settings = { url: 'http://127.0.0.1:1', token, timeoutMs: 1, clock }
      const create = () => createUpstashEngine(settings)
      expect(create).toThrow(/^UPSTASH_REDIS_REST_TOKEN: expected ASCII without blanks around it$/)
    }
  })

  it('fail the start with the setting and the host, and nothing else', async () => {
    const start = (url: string) =>
      openEngine({
        DATA_DIR: '',
        REDIS_URL: undefined,
        STORE_TIMEOUT_MS: 30_000,
        UPSTASH_REDIS_REST_URL: url,
        UPSTASH_REDIS_REST_TOKEN: TOKEN,
      })
    await storeThat('')
    await store?.close()
    await expect(start(store?.url ?? '')).rejects.toThrow(
      /^UPSTASH_REDIS_REST_URL: cannot be reached: ECONNREFUSED \(127\.0\.0\.1:\d+\)$/,
    )
    await storeThat(http(401, '{"error":"Unauthorized"}'))
    await expect(start(store?.url ?? '')).rejects.toThrow(
      /^UPSTASH_REDIS_REST_TOKEN is refused by the store \(127\.0\.0\.1:\d+\)$/,
    )
    await store?.close()
    await storeThat(http(400, '{"error":"NOPERM this user has no permissions"}'))
    await expect(start(store?.url ?? '')).rejects.toThrow(
      /^UPSTASH_REDIS_REST_URL: the store refuses PING: NOPERM .*\(127\.0\.0\.1:\d+\)$/,
    )
    await store?.close()
    await storeThat(http(200, '{"result":"PONG"}'))
    expect(await start(store?.url ?? '')).toMatchObject({ name: 'upstash' })
  })
})

describe('an error reply of Upstash', () => {
  it.each([
    ['ERR value is not an integer or out of range', 'ERR value is not an integer or out of range'],
    [`ERR unknown command 'X', with args beginning with: '${ARGUMENT}'`, "ERR unknown command 'X'"],
    ['NOSCRIPT No matching script', 'NOSCRIPT No matching script'],
    ['MY', 'MY'],
  ])('comes back as its text alone: %s', async (text, error) => {
    const engine = await storeThat(http(400, JSON.stringify({ error: text })))
    const body = ['SET', 'k', `${ARGUMENT}, command was: ["x"]`]
    expect(await engine.request({ body })).toEqual({ error })
  })

  it('stays with its command in a pipeline', async () => {
    const engine = await storeThat(
      http(200, '[{"result":"OK"},{"error":"ERR no"},{"result":null}]'),
    )
    const body = [['A'], ['B'], ['C']]
    expect(await engine.request({ path: ['pipeline'], body })).toEqual([
      { result: 'OK' },
      { error: 'ERR no' },
      { result: null },
    ])
  })

  it('goes to every command of a transaction when it names none of them', async () => {
    const engine = await storeThat(http(400, '{"error":"ERR max request size exceeded"}'))
    const error = 'ERR max request size exceeded'
    const body = [
      ['SET', 'k', 'v'],
      ['GET', 'k'],
    ]
    expect(await engine.request({ path: ['multi-exec'], body })).toEqual([{ error }, { error }])
  })
})

describe('the requests of the Upstash engine', () => {
  it('carry the token in a header, the command as JSON, and nothing about this host', async () => {
    const engine = await storeThat(http(200, '{"result":1}'))
    await engine.request({ body: ['HSET', 'h', 'f', 1, 'g', true] })
    const [head = '', body] = (requests[0] ?? '').split('\r\n\r\n')
    expect(head.split('\r\n')[0]).toBe('POST / HTTP/1.1')
    expect(head.toLowerCase()).toContain(`authorization: bearer ${TOKEN}`)
    expect(head.toLowerCase()).not.toMatch(/upstash-(telemetry|sync|encoding)/)
    expect(body).toBe('["HSET","h","f",1,"g",true]')
  })

  it('give scripts of the product the line for key locking, and its digest', async () => {
    const script = defineScript({
      keys: ['one'],
      args: { wanted: 'number' },
      replies: { found: { value: 'text' } },
      lua: "return reply.found({ value = redis.call('GET', keys.one) })",
    })
    const lua = `#!lua flags=allow-key-locking\n${script.lua}`
    const locking = { lua, sha: createHash('sha1').update(lua).digest('hex') }
    const engine = await storeThat((socket, request) => {
      const isKnown = !request.includes('"evalsha"')
      socket.write(
        isKnown ? http(200, '{"result":["found","v"]}') : http(400, '{"error":"NOSCRIPT No"}'),
      )
    })
    const input = { keys: { one: 'k' }, args: { wanted: 1 } }
    const reply = await runScript(createRedis(engine), createKeyspace('p:'), script, input)
    expect(reply).toEqual({ kind: 'found', value: 'v' })
    const bodies = requests.map((request) => JSON.parse(request.split('\r\n\r\n')[1] ?? ''))
    expect(bodies).toEqual([
      ['evalsha', locking.sha, 2, 'p:pool', 'k', '1'],
      ['eval', locking.lua, 2, 'p:pool', 'k', '1'],
    ])
    await engine
      .request({ path: ['pipeline'], body: [['EVALSHA', script.sha.toUpperCase(), 0]] })
      .catch(() => undefined)
    expect(requests[2]).toContain(locking.sha)
  })

  it('leave other scripts alone: they may use keys that they do not name', async () => {
    const engine = await storeThat(http(200, '{"result":1}'))
    await engine.request({ body: ['EVAL', 'return redis.call("GET", "k")', 0] })
    await engine.request({ body: ['EVALSHA', 'ff', 0] })
    expect(requests[0]).toContain('["EVAL","return redis.call(\\"GET\\", \\"k\\")",0]')
    expect(requests[1]).toContain('["EVALSHA","ff",0]')
  })

  it('are not made for an empty pipeline, nor after the end', async () => {
    const engine = await storeThat(http(200, '{"result":1}'))
    expect(await engine.request({ path: ['pipeline'], body: [] })).toEqual([])
    await engine.close()
    expect(await failure(engine)).toContain('has been closed')
    expect(requests).toEqual([])
  })
})
