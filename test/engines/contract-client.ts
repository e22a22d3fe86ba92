/** The part of the contract that the typed Upstash client relies on. */
import { describe, expect, it } from 'vitest'
import { createRedis } from '../../src/store/redis.ts'
import { check, type Use } from './steps.ts'

const NOT_A_COUNTER = 'ERR hash value is not an integer'

export function clientContract(use: Use): void {
  const send = (path: string, body: unknown) =>
    use().request({ path: [path], body }) as Promise<unknown>

  describe('the typed client', () => {
    it('reads and writes raw strings', async () => {
      const redis = createRedis(use())
      expect(await redis.set('n', 123)).toBe('OK')
      expect(await redis.get('n')).toBe('123')
      expect(await redis.set('n', 'null', { px: 100, nx: true })).toBeNull()
      expect(await redis.mget('n', 'none')).toEqual(['123', null])
      expect(await redis.hset('h', { count: 1, flag: true, nested: { a: 1 } })).toBe(3)
      expect(await redis.hget('h', 'nested')).toBe('{"a":1}')
      expect(await redis.hget('h', 'flag')).toBe('true')
      expect(await redis.hexists('h', 'flag')).toBe(1)
      expect(await redis.hsetnx('h', 'flag', 'false')).toBe(0)
      expect(await redis.exists('n', 'h', 'none')).toBe(2)
      expect(await redis.hdel('h', 'flag')).toBe(1)
    })

    it('works with sorted sets and their options', async () => {
      const redis = createRedis(use())
      expect(await redis.zadd('z', { score: 0, member: 'a' }, { score: 0, member: 'b' })).toBe(2)
      expect(await redis.zadd('other', { score: 2.5, member: 'c' })).toBe(1)
      expect(await redis.zrange('z', '[b', '+', { byLex: true })).toEqual(['b'])
      const newest = { byLex: true, rev: true, offset: 0, count: 1 } as const
      expect(await redis.zrange('z', '+', '-', newest)).toEqual(['b'])
      expect(await redis.zrange('z', '(b', '-', newest)).toEqual(['a'])
      expect(await redis.zcount('other', '(1', '+inf')).toBe(1)
      expect(await redis.zcount('other', '(2.5', '+inf')).toBe(0)
    })

    it('evaluates scripts', async () => {
      const redis = createRedis(use())
      await redis.hset('user', { name: 'x' })
      expect(await redis.eval('return {KEYS[1], ARGV[1]}', ['k'], [7])).toEqual(['k', '7'])
      const count = 'return redis.call("HINCRBY", "user", "name", 1)'
      await expect(redis.eval(count, [], [])).rejects.toThrow(NOT_A_COUNTER)
    })

    it('runs pipelines and transactions', async () => {
      const redis = createRedis(use())
      const piped = await redis.pipeline().set('a', '1').hset('h', { f: 1 }).get('a').exec()
      expect(piped).toEqual(['OK', 1, '1'])
      const done = await redis.multi().hset('h', { f: 2 }).hget('h', 'f').exec()
      expect(done).toEqual([0, '2'])
    })
  })

  describe('pipelines and transactions', () => {
    it('answers every command of a pipeline, failed ones included', async () => {
      const body = [
        ['HSET', 'a', 'n', 'x'],
        ['HINCRBY', 'a', 'n', 1],
        ['NOSUCH', 'secret'],
        ['HGET', 'a', 'n'],
      ]
      expect(await send('pipeline', body)).toEqual([
        { result: 1 },
        { error: NOT_A_COUNTER },
        { error: "ERR unknown command 'NOSUCH'" },
        { result: 'x' },
      ])
    })

    it('carries on with a transaction after a command has failed', async () => {
      const body = [
        ['HSET', 'a', 'n', 'x'],
        ['HINCRBY', 'a', 'n', 1],
        ['SET', 'b', 1],
        ['HGETALL', 'none'],
      ]
      expect(await send('multi-exec', body)).toEqual([
        { result: 1 },
        { error: NOT_A_COUNTER },
        { result: 'OK' },
        { result: [] },
      ])
      await check(use(), [
        ['HGET a n', 'x'],
        ['GET b', '1'],
      ])
    })

    it('discards a transaction with a command that it cannot call', async () => {
      const body = [['SET', 'a', '1'], ['GET']]
      expect(await send('multi-exec', body)).toEqual([
        { error: 'EXECABORT Transaction discarded because of previous errors.' },
        { error: "ERR wrong number of arguments for 'get' command" },
      ])
      await check(use(), [['EXISTS a', 0]])
    })

    it('runs scripts inside of a transaction', async () => {
      const body = [
        ['EVAL', 'return redis.call("HINCRBY", KEYS[1], "n", 1)', 1, 'h'],
        ['EVAL', 'redis.call("HINCRBY", KEYS[1], "n", 1) error("late")', 1, 'h'],
        ['HGET', 'h', 'n'],
      ]
      const [first, second, third] = (await send('multi-exec', body)) as Record<string, unknown>[]
      expect([first, third]).toEqual([{ result: 1 }, { result: '2' }])
      expect(second?.error).toMatch(/^ERR user_script:1: late/)
    })

    it('keeps concurrent transactions apart', async () => {
      const transactions = Array.from({ length: 50 }, () =>
        send('multi-exec', [
          ['HINCRBY', 'h', 'n', 1],
          ['HINCRBY', 'h', 'n', 1],
          ['HGET', 'h', 'n'],
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
