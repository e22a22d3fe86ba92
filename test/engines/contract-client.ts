/** The part of the contract that the typed Upstash client relies on. */
import { describe, expect, it } from 'vitest'
import { createRedis } from '../../src/store/redis.ts'
import { check, type Use } from './steps.ts'

const NOT_INTEGER = 'ERR value is not an integer or out of range'

export function clientContract(use: Use): void {
  const send = (path: string, body: unknown) =>
    use().request({ path: [path], body }) as Promise<unknown>

  describe('the typed client', () => {
    it('reads and writes raw strings', async () => {
      const redis = createRedis(use())
      expect(await redis.set('n', 123)).toBe('OK')
      expect(await redis.get('n')).toBe('123')
      expect(await redis.set('n', 'null', { ex: 100, nx: true })).toBeNull()
      expect(await redis.incrby('n', 2)).toBe(125)
      expect(await redis.hset('h', { count: 1, flag: true, nested: { a: 1 } })).toBe(3)
      expect(await redis.hget('h', 'nested')).toBe('{"a":1}')
      expect(await redis.hget('h', 'flag')).toBe('true')
      expect(await redis.exists('n', 'h', 'none')).toBe(2)
      expect(await redis.ttl('n')).toBe(-1)
      expect(await redis.pexpire('n', 5000)).toBe(1)
      expect(await redis.type('h')).toBe('hash')
      expect(await redis.del('n', 'h')).toBe(2)
    })

    it('works with sorted sets and their options', async () => {
      const redis = createRedis(use())
      expect(await redis.zadd('z', { score: 1, member: 'a' }, { score: 2.5, member: 'b' })).toBe(2)
      expect(await redis.zadd('z', { nx: true }, { score: 9, member: 'a' })).toBe(0)
      const options = { byScore: true, offset: 0, count: 10, withScores: true } as const
      expect(await redis.zrange('z', 0, '+inf', options)).toEqual(['a', '1', 'b', '2.5'])
      expect(await redis.zrange('z', '[b', '+', { byLex: true })).toEqual(['b'])
      expect(await redis.zrange('z', 0, -1, { rev: true })).toEqual(['b', 'a'])
      expect(await redis.zcount('z', '(1', '+inf')).toBe(1)
      expect(await redis.zrem('z', 'a')).toBe(1)
    })

    it('scans and evaluates', async () => {
      const redis = createRedis(use())
      await redis.set('user:1', 'x')
      expect(await redis.scan('0', { match: 'user:*', count: 100 })).toEqual(['0', ['user:1']])
      expect(await redis.eval('return {KEYS[1], ARGV[1]}', ['k'], [7])).toEqual(['k', '7'])
      await expect(redis.eval('return redis.call("INCR", "user:1")', [], [])).rejects.toThrow(
        NOT_INTEGER,
      )
    })

    it('runs pipelines and transactions', async () => {
      const redis = createRedis(use())
      const piped = await redis.pipeline().set('a', '1').incr('a').get('a').exec()
      expect(piped).toEqual(['OK', 2, '2'])
      const done = await redis.multi().hset('h', { f: 1 }).hget('h', 'f').exec()
      expect(done).toEqual([1, '1'])
    })
  })

  describe('pipelines and transactions', () => {
    it('answers every command of a pipeline, failed ones included', async () => {
      const body = [
        ['SET', 'a', 'x'],
        ['INCR', 'a'],
        ['NOSUCH', 'secret'],
        ['GET', 'a'],
      ]
      expect(await send('pipeline', body)).toEqual([
        { result: 'OK' },
        { error: NOT_INTEGER },
        { error: "ERR unknown command 'NOSUCH'" },
        { result: 'x' },
      ])
    })

    it('carries on with a transaction after a command has failed', async () => {
      const body = [
        ['SET', 'a', 'x'],
        ['INCR', 'a'],
        ['SET', 'b', 1],
        ['HGETALL', 'none'],
      ]
      expect(await send('multi-exec', body)).toEqual([
        { result: 'OK' },
        { error: NOT_INTEGER },
        { result: 'OK' },
        { result: [] },
      ])
      await check(use(), [['MGET a b', ['x', '1']]])
    })

    it('discards a transaction that holds a command it cannot call', async () => {
      const body = [['SET', 'a', '1'], ['GET']]
      expect(await send('multi-exec', body)).toEqual([
        { error: 'EXECABORT Transaction discarded because of previous errors.' },
        { error: "ERR wrong number of arguments for 'get' command" },
      ])
      await check(use(), [['EXISTS a', 0]])
    })

    it('runs scripts inside of a transaction', async () => {
      const body = [
        ['EVAL', 'return redis.call("INCR", KEYS[1])', 1, 'n'],
        ['EVAL', 'redis.call("INCR", KEYS[1]) error("late")', 1, 'n'],
        ['GET', 'n'],
      ]
      const [first, second, third] = (await send('multi-exec', body)) as Record<string, unknown>[]
      expect([first, third]).toEqual([{ result: 1 }, { result: '2' }])
      expect(second?.error).toMatch(/^ERR user_script:1: late/)
    })

    it('keeps concurrent transactions apart', async () => {
      const transactions = Array.from({ length: 50 }, () =>
        send('multi-exec', [
          ['INCR', 'n'],
          ['INCR', 'n'],
          ['GET', 'n'],
        ]),
      )
      for (const entries of await Promise.all(transactions)) {
        const [first, second, third] = entries as { result: unknown }[]
        expect(second?.result).toBe(Number(first?.result) + 1)
        expect(third?.result).toBe(String(second?.result))
      }
    })

    it('answers an empty pipeline with nothing', async () => {
      expect(await send('pipeline', [])).toEqual([])
    })
  })
}
