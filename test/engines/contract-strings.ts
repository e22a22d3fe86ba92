/** The part of the contract about strings, and about commands on keys of another type. */
import { describe, expect, it } from 'vitest'
import {
  arity,
  check,
  NOT_INTEGER,
  refused,
  result,
  SYNTAX,
  type Use,
  WRONG_TYPE,
} from './steps.ts'

const badExpiry = refused("ERR invalid expire time in 'set' command")

/** Text that a store of C strings, of lines or of UTF-16 would damage. */
export const AWKWARD = [
  '',
  'a\0b',
  '\0',
  'line\r\nbreak\n',
  'ü€😀',
  '\u0001\u007f',
  ' blank ',
  '"{}',
]

export function stringContract(use: Use): void {
  describe('strings', () => {
    it('keeps and replaces values', () =>
      check(use(), [
        ['GET k', null],
        ['SET k v', 'OK'],
        ['GET k', 'v'],
        ['SET k w', 'OK'],
        ['GET k', 'w'],
        ['HSET h f 1', 1],
        ['SET h v', 'OK'],
        ['GET h', 'v'],
        ['SET k', arity('set')],
        ['GET a b', arity('get')],
      ]))

    it('returns every kind of text unharmed, as value, key, field and member', async () => {
      for (const text of AWKWARD) {
        await check(use(), [
          [['SET', `k${text}`, text], 'OK'],
          [['GET', `k${text}`], text],
          [['HSET', 'h', `f${text}`, text], 1],
          [['HGET', 'h', `f${text}`], text],
          [['ZADD', 'z', 1, `m${text}`], 1],
          [['ZSCORE', 'z', `m${text}`], '1'],
          [['PING', text], text],
        ])
      }
      await check(use(), [
        ['ZCARD z', AWKWARD.length],
        [['EXISTS', ...AWKWARD.map((text) => `k${text}`)], AWKWARD.length],
      ])
      expect(await result(use(), 'HKEYS', 'h')).toHaveLength(AWKWARD.length)
    })

    it('keeps a value of a megabyte', async () => {
      const big = 'äb\0'.repeat(300_000)
      await result(use(), 'SET', 'k', big)
      expect(await result(use(), 'GET', 'k')).toBe(big)
    })

    it('sets a key that is absent, when asked to set only such a key', () =>
      check(use(), [
        ['SET k 1 NX', 'OK'],
        ['SET k 2 NX', null],
        ['GET k', '1'],
        ['HSET h f 1', 1],
        ['SET h 1 NX', null],
        ['HGET h f', '1'],
      ]))

    it('sets, replaces and drops expiries', async () => {
      const remainingMs = async () => (await result(use(), 'PTTL', 'k')) as number
      await check(use(), [['SET k v EX 100', 'OK']])
      expect(await remainingMs()).toBeGreaterThan(9_000)
      await check(use(), [['SET k v PX 9000', 'OK']])
      expect(await remainingMs()).toBeLessThanOrEqual(9_000)
      await check(use(), [
        ['SET k w PX 5 NX', null],
        ['SET k x', 'OK'],
        ['PTTL k', -1],
      ])
    })

    it('refuses options of SET that it cannot combine or read', () =>
      check(use(), [
        ['SET k v FOO', SYNTAX],
        ['SET k v EX', SYNTAX],
        ['SET k v EX 1 PX 1', SYNTAX],
        ['SET k v EX soon', NOT_INTEGER],
        ['SET k v EX 0', badExpiry],
        ['SET k v EX -1', badExpiry],
        ['SET k v EX 9223372036854775807', badExpiry],
        ['EXISTS k', 0],
      ]))

    it('reads several keys at once', () =>
      check(use(), [
        ['SET a 1', 'OK'],
        ['SET b 2', 'OK'],
        ['HSET h f 1', 1],
        ['MGET a none h b', ['1', null, null, '2']],
        ['MGET', arity('mget')],
      ]))
  })

  it('refuses every command on a key of another type', async () => {
    await check(use(), [
      ['SET s v', 'OK'],
      ['HSET h f 1', 1],
      ['ZADD z 1 m', 1],
    ])
    const onHashes = ['HGETALL s', 'HKEYS s', 'HGET s f', 'HSET s f 1', 'HDEL s f', 'HEXISTS z f']
    const onFields = ['HINCRBY s f 1', 'HMGET s f', 'HSETNX z f 1']
    const onSortedSets = ['ZCARD s', 'ZADD s 1 m', 'ZSCORE s m', 'ZREM s m', 'ZPOPMIN h']
    const onRanges = ['ZRANGE s 0 -1', 'ZRANGEBYSCORE h 0 1', 'ZCOUNT h 0 1']
    for (const command of ['GET h', ...onHashes, ...onFields, ...onSortedSets, ...onRanges]) {
      await check(use(), [[command, WRONG_TYPE]])
    }
  })
}
