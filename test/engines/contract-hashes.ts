/** The part of the contract about hashes and their counters. */
import { describe, expect, it } from 'vitest'
import { arity, check, NOT_INTEGER, OVERFLOW, refused, result, type Use } from './steps.ts'

const NOT_A_COUNTER = refused('ERR hash value is not an integer')

export function hashContract(use: Use): void {
  describe('hashes', () => {
    it('sets and reads fields', () =>
      check(use(), [
        ['HSET h a 1 b 2', 2],
        ['HSET h a 3 c 4', 1],
        ['HGET h a', '3'],
        ['HGET h none', null],
        ['HGET none a', null],
        ['HMGET h a none c', ['3', null, '4']],
        ['HMGET none a b', [null, null]],
        ['HEXISTS h a', 1],
        ['HEXISTS h none', 0],
        ['HEXISTS none a', 0],
        ['HSETNX h a 9', 0],
        ['HSETNX h d 5', 1],
        ['HSETNX fresh a 1', 1],
        ['HGET h a', '3'],
      ]))

    it('lists fields and values', async () => {
      await check(use(), [['HSET h a 1 b 2', 2]])
      const flat = (await result(use(), 'HGETALL', 'h')) as string[]
      expect([flat.slice(0, 2), flat.slice(2)].sort()).toEqual([
        ['a', '1'],
        ['b', '2'],
      ])
      expect(((await result(use(), 'HKEYS', 'h')) as string[]).sort()).toEqual(['a', 'b'])
      await check(use(), [
        ['HGETALL none', []],
        ['HKEYS none', []],
      ])
    })

    it('vanishes with its last field', () =>
      check(use(), [
        ['HSET h a 1 b 2', 2],
        ['PEXPIRE h 100000', 1],
        ['HDEL h a none a', 1],
        ['EXISTS h', 1],
        ['HDEL h b', 1],
        ['EXISTS h', 0],
        ['HDEL h b', 0],
        ['HSET h a 1', 1],
        ['PTTL h', -1],
      ]))

    it('counts in fields, and does not change the expiry of the key', async () => {
      await check(use(), [
        ['HINCRBY h n 5', 5],
        ['HINCRBY h n -7', -2],
        ['HGET h n', '-2'],
        ['HSET h text x', 1],
        ['HINCRBY h text 1', NOT_A_COUNTER],
        ['HINCRBY h n x', NOT_INTEGER],
        ['HINCRBY h n 1.5', NOT_INTEGER],
        ['HINCRBY none n x', NOT_INTEGER],
        ['EXISTS none', 0],
        ['PEXPIRE h 100000', 1],
        ['HINCRBY h n 1', -1],
      ])
      expect(await result(use(), 'PTTL', 'h')).toBeGreaterThan(0)
    })

    it('is exact up to 64 bits and refuses to go beyond', () =>
      check(use(), [
        ['HSET h n 9007199254740993 max 9223372036854775806 min -9223372036854775808', 3],
        ['HINCRBY h n 9007199254740993', 2 ** 54],
        ['HGET h n', '18014398509481986'],
        [['EVAL', 'redis.call("HINCRBY", "h", "max", 1) return 1', 0], 1],
        ['HGET h max', '9223372036854775807'],
        ['HINCRBY h max 1', OVERFLOW],
        ['HINCRBY h n 9223372036854775808', NOT_INTEGER],
        ['HINCRBY h min -1', OVERFLOW],
        ['HGET h max', '9223372036854775807'],
        ['HGET h min', '-9223372036854775808'],
      ]))

    it('counts only what is written as an integer', async () => {
      for (const text of ['007', ' 1', '1 ', '-0', '+1', '', '1.0', '1e3', '0x1', 'abc']) {
        await check(use(), [
          [['HSET', 'h', `n${text}`, text], 1],
          [['HINCRBY', 'h', `n${text}`, 1], NOT_A_COUNTER],
          [['HGET', 'h', `n${text}`], text],
        ])
      }
    })

    it('refuses the wrong number of words', () =>
      check(use(), [
        ['HSET h a', arity('hset')],
        ['HSET h a 1 b', arity('hset')],
        ['HGET h', arity('hget')],
        ['HMGET h', arity('hmget')],
        ['HDEL h', arity('hdel')],
        ['HINCRBY h n', arity('hincrby')],
        ['HGETALL h x', arity('hgetall')],
        ['EXISTS h', 0],
      ]))
  })
}
