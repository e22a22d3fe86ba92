import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { Redis } from '@upstash/redis'
import { describe, expect, it } from 'vitest'
import { result } from '../../engines/steps.ts'
import { useBridge } from '../../support/rest-caller.ts'

const LOCKING = '#!lua flags=allow-key-locking\n'
const sha = (text: string) => createHash('sha1').update(text).digest('hex')

const used = useBridge()
const { ask } = used

describe('scripts that allow key locking', () => {
  const plain = 'return {KEYS[1], ARGV[1]}'
  const locking = LOCKING + plain
  const evalsha = (digest: string) => ask('/', { body: ['EVALSHA', digest, 1, 'k', 'v'] })
  const noScript = [400, { error: 'NOSCRIPT No matching script. Please use EVAL.' }]

  it('run without their first line, and are known by either digest', async () => {
    expect(await evalsha(sha(locking))).toEqual(noScript)
    const ran = [200, { result: ['k', 'v'] }]
    expect(await ask('/', { body: ['EVAL', locking, 1, 'k', 'v'] })).toEqual(ran)
    expect(await evalsha(sha(locking))).toEqual(ran)
    expect(await evalsha(sha(locking).toUpperCase())).toEqual(ran)
    expect(await evalsha(sha(plain))).toEqual(ran)
  })

  it('run inside of transactions', async () => {
    const body = [
      ['EVAL', `${LOCKING}return redis.call("HINCRBY", KEYS[1], "n", 1)`, 1, 'h'],
      ['HGET', 'h', 'n'],
    ]
    expect(await ask('/multi-exec', { body })).toEqual([200, [{ result: 1 }, { result: '1' }]])
  })

  it('may be many: the oldest digests are forgotten and their scripts sent again', async () => {
    await ask('/', { body: ['EVAL', locking, 1, 'k', 'v'] })
    const body = Array.from({ length: 1_000 }, (_, n) => ['EVAL', `${LOCKING}return ${n}`, 0])
    expect(await ask('/pipeline', { body })).toMatchObject([200, { 999: { result: 999 } }])
    expect(await evalsha(sha(locking))).toEqual(noScript)
  })
})

describe('the client of Upstash with its default settings', () => {
  const create = () => new Redis({ url: used.bridge.url, token: used.bridge.token })

  it('batches the commands of one turn, and reads back what it wrote', async () => {
    const redis = create()
    const served = used.bridge.served.length
    const [set, got, hash] = await Promise.all([
      redis.set('k', { a: [1, '\u00fc'] }),
      redis.get('k'),
      redis.hset('h', { f: 1 }),
    ])
    expect([set, hash]).toEqual(['OK', 1])
    expect([null, { a: [1, '\u00fc'] }]).toContainEqual(got)
    expect(used.bridge.served.slice(served)).toEqual(['POST /pipeline', 'POST /pipeline'])
    expect(await redis.get('k')).toEqual({ a: [1, '\u00fc'] })
    expect(await redis.hgetall('h')).toEqual({ f: 1 })
  })

  it('runs pipelines, transactions and scripts', async () => {
    const redis = create()
    expect(
      await redis.pipeline().set('a', 'x').get('a').zadd('z', { score: 1.5, member: 'm' }).exec(),
    ).toEqual(['OK', 'x', 1])
    expect(await redis.multi().hincrby('h', 'n', 1).zscore('z', 'm').exec()).toEqual([1, 1.5])
    await expect(redis.multi().set('a', 'x').hget('a', 'f').exec()).rejects.toThrow('WRONGTYPE')
    const script = redis.createScript<string[]>(`${LOCKING}return {KEYS[1], ARGV[1], "OK"}`)
    expect(await script.exec(['k'], ['v'])).toEqual(['k', 'v', 'OK'])
    const served = used.bridge.served.length
    expect(await script.exec(['k'], ['w'])).toEqual(['k', 'w', 'OK'])
    expect(used.bridge.served.length - served).toBe(1)
    await expect(redis.hget('a', 'f')).rejects.toThrow('WRONGTYPE')
  })

  it('learns that its token is refused', async () => {
    const redis = new Redis({ url: used.bridge.url, token: 'wrong' })
    await expect(redis.get('k')).rejects.toThrow('Unauthorized')
  })

  it('repeats a request whose connection broke, with one effect for one arrival', async () => {
    let connections = 0
    const proxy = createServer((socket) => {
      socket.on('error', () => undefined)
      connections += 1
      if (connections <= 2) return void socket.destroy()
      const behind = connect(Number(new URL(used.bridge.url).port), '127.0.0.1')
      behind.on('error', () => undefined)
      socket.pipe(behind).pipe(socket)
    }).listen(0, '127.0.0.1')
    await once(proxy, 'listening')
    const { port } = proxy.address() as AddressInfo
    const redis = new Redis({ url: `http://127.0.0.1:${port}`, token: used.bridge.token })
    expect(await redis.hincrby('h', 'n', 1)).toBe(1)
    expect(connections).toBe(3)
    expect(await result(used.engine, 'HGET', 'h', 'n')).toBe('1')
    proxy.close()
  })
})
