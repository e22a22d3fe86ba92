/** The part of the contract about hashes. */
import { describe, expect, it } from 'vitest'
import { arity, check, NOT_INTEGER, OVERFLOW, refused, result, type Use } from './steps.ts'

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
        ['HLEN h', 3],
        ['HLEN none', 0],
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
      expect(((await result(use(), 'HVALS', 'h')) as string[]).sort()).toEqual(['1', '2'])
      await check(use(), [
        ['HGETALL none', []],
        ['HKEYS none', []],
        ['HVALS none', []],
      ])
    })

    it('vanishes with its last field', () =>
      check(use(), [
        ['HSET h a 1 b 2', 2],
        ['EXPIRE h 100', 1],
        ['HDEL h a none a', 1],
        ['EXISTS h', 1],
        ['HDEL h b', 1],
        ['EXISTS h', 0],
        ['HDEL h b', 0],
        ['HSET h a 1', 1],
        ['TTL h', -1],
      ]))

    it('counts in fields', () =>
      check(use(), [
        ['HINCRBY h n 5', 5],
        ['HINCRBY h n -7', -2],
        ['HGET h n', '-2'],
        ['HSET h text x', 1],
        ['HINCRBY h text 1', refused('ERR hash value is not an integer')],
        ['HINCRBY h n x', NOT_INTEGER],
        ['HSET h max 9223372036854775807', 1],
        ['HINCRBY h max 1', OVERFLOW],
        ['HGET h max', '9223372036854775807'],
        ['HINCRBY none n x', NOT_INTEGER],
        ['EXISTS none', 0],
      ]))

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
