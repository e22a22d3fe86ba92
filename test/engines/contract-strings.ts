/** The part of the contract about strings, counters and sets. */
import { describe, expect, it } from 'vitest'
import {
  arity,
  check,
  NOT_INTEGER,
  OVERFLOW,
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
        ['TYPE h', 'string'],
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
          [['ECHO', text], text],
          [['STRLEN', `k${text}`], Buffer.byteLength(text)],
        ])
      }
      await check(use(), [
        ['HLEN h', AWKWARD.length],
        ['ZCARD z', AWKWARD.length],
        ['DBSIZE', AWKWARD.length + 2],
      ])
    })

    it('keeps a value of a megabyte', async () => {
      const big = 'äb\0'.repeat(300_000)
      await result(use(), 'SET', 'k', big)
      expect(await result(use(), 'GET', 'k')).toBe(big)
    })

    it('sets under conditions and answers with the old value when asked', () =>
      check(use(), [
        ['SET k 1 XX', null],
        ['SET k 1 NX', 'OK'],
        ['SET k 2 NX', null],
        ['SET k 2 XX', 'OK'],
        ['SET k 3 GET', '2'],
        ['SET k 4 NX GET', '3'],
        ['GET k', '3'],
        ['SET new 1 GET', null],
        ['GET new', '1'],
        ['SETNX k 5', 0],
        ['SETNX other 5', 1],
        ['GETDEL other', '5'],
        ['GETDEL other', null],
        ['HSET h f 1', 1],
        ['SET h 1 GET', WRONG_TYPE],
        ['GETDEL h', WRONG_TYPE],
        ['SETNX h 1', 0],
      ]))

    it('sets, keeps and drops expiries', () =>
      check(use(), [
        ['SET k v EX 100', 'OK'],
        ['TTL k', 100],
        ['SET k w KEEPTTL', 'OK'],
        ['TTL k', 100],
        ['INCR n', 1],
        ['EXPIRE n 50', 1],
        ['INCR n', 2],
        ['APPEND n 0', 2],
        ['TTL n', 50],
        ['SET k x', 'OK'],
        ['TTL k', -1],
        ['SET k v PX 9000', 'OK'],
        ['TTL k', 9],
        [['SET', 'k', 'v', 'EXAT', Math.floor(Date.now() / 1000) + 1000], 'OK'],
        [['SET', 'k', 'v', 'PXAT', Date.now() - 1000], 'OK'],
        ['GET k', null],
      ]))

    it('refuses options of SET that it cannot combine or read', () =>
      check(use(), [
        ['SET k v FOO', SYNTAX],
        ['SET k v EX', SYNTAX],
        ['SET k v NX XX', SYNTAX],
        ['SET k v EX 1 PX 1', SYNTAX],
        ['SET k v EX 1 KEEPTTL', SYNTAX],
        ['SET k v EX soon', NOT_INTEGER],
        ['SET k v EX 0', badExpiry],
        ['SET k v EX -1', badExpiry],
        ['SET k v EX 9223372036854775807', badExpiry],
        ['EXISTS k', 0],
      ]))

    it('reads and writes several keys at once', () =>
      check(use(), [
        ['MSET a 1 b 2', 'OK'],
        ['HSET h f 1', 1],
        ['MGET a none h b', ['1', null, null, '2']],
        ['MSET a', arity('mset')],
        ['MSET a 1 b', arity('mset')],
        ['MGET', arity('mget')],
      ]))

    it('appends and measures in bytes', () =>
      check(use(), [
        ['APPEND k ab', 2],
        ['APPEND k ü', 4],
        ['GET k', 'abü'],
        ['STRLEN k', 4],
        ['STRLEN none', 0],
      ]))
  })

  describe('counters', () => {
    it('counts up and down', () =>
      check(use(), [
        ['INCR n', 1],
        ['INCRBY n 41', 42],
        ['DECR n', 41],
        ['DECRBY n 50', -9],
        ['INCRBY n -1', -10],
        ['GET n', '-10'],
        ['INCR', arity('incr')],
        ['INCRBY n 1.5', NOT_INTEGER],
        ['INCRBY n x', NOT_INTEGER],
        ['INCRBY n 9223372036854775808', NOT_INTEGER],
      ]))

    it('is exact up to 64 bits and refuses to go beyond', async () => {
      await check(use(), [
        ['SET n 9007199254740993', 'OK'],
        ['INCRBY n 9007199254740993', 2 ** 54],
        ['GET n', '18014398509481986'],
        ['SET n 9223372036854775806', 'OK'],
      ])
      await result(use(), 'INCR', 'n')
      await check(use(), [
        ['GET n', '9223372036854775807'],
        ['INCR n', OVERFLOW],
        ['GET n', '9223372036854775807'],
        ['SET n -9223372036854775808', 'OK'],
        ['DECR n', OVERFLOW],
        ['DECRBY n -9223372036854775808', refused('ERR decrement would overflow')],
        ['HSET h f 9007199254740993', 1],
      ])
      await result(use(), 'HINCRBY', 'h', 'f', '-4')
      await check(use(), [['HGET h f', '9007199254740989']])
    })

    it('counts only what is written as an integer', async () => {
      for (const text of ['007', ' 1', '1 ', '-0', '+1', '', '1.0', '1e3', '0x1', 'abc']) {
        await check(use(), [
          [['SET', 'n', text], 'OK'],
          ['INCR n', NOT_INTEGER],
          [['GET', 'n'], text],
        ])
      }
      await check(use(), [
        ['HSET h f 1', 1],
        ['INCR h', WRONG_TYPE],
      ])
    })
  })

  describe('sets', () => {
    it('adds, finds and removes members', async () => {
      await check(use(), [
        ['SADD t a b a', 2],
        ['SADD t b c', 1],
        ['SCARD t', 3],
        ['SISMEMBER t a', 1],
        ['SISMEMBER t z', 0],
        ['SREM t a z', 1],
      ])
      expect(((await result(use(), 'SMEMBERS', 't')) as string[]).sort()).toEqual(['b', 'c'])
      await check(use(), [
        ['SREM t b c', 2],
        ['EXISTS t', 0],
        ['SREM t b', 0],
        ['SMEMBERS t', []],
        ['SCARD t', 0],
        ['SISMEMBER t a', 0],
        ['SADD t', arity('sadd')],
      ])
    })
  })

  it('refuses every command on a key of another type', async () => {
    await check(use(), [
      ['SET s v', 'OK'],
      ['HSET h f 1', 1],
      ['ZADD z 1 m', 1],
    ])
    const onStrings = ['GET', 'INCR', 'STRLEN', 'GETDEL', 'APPEND h x', 'INCRBY h 1']
    const onHashes = ['HGETALL', 'HLEN', 'HKEYS', 'HVALS', 'HGET z f', 'HSET z f 1', 'HDEL z f']
    const onSortedSets = ['ZCARD', 'ZADD s 1 m', 'ZSCORE s m', 'ZREM s m', 'ZRANGE s 0 -1']
    const onSets = ['SMEMBERS', 'SCARD', 'SADD h m', 'SREM h m', 'SISMEMBER h m']
    const more = ['HINCRBY s f 1', 'HMGET s f', 'ZCOUNT h 0 1', 'ZPOPMIN h', 'HSETNX s f 1']
    for (const [names, key] of [
      [onStrings, 'h'],
      [onHashes, 'z'],
      [onSortedSets, 's'],
      [onSets, 'h'],
      [more, ''],
    ] as const) {
      for (const name of names) {
        await check(use(), [[name.includes(' ') ? name : `${name} ${key}`, WRONG_TYPE]])
      }
    }
  })
}
