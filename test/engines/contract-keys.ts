/** The part of the contract about keys of any type, their expiry and the server itself. */
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { arity, check, NOT_INTEGER, refused, result, SYNTAX, send, type Use } from './steps.ts'

const DAY_MS = 86_400_000

export function keyContract(use: Use): void {
  describe('server commands', () => {
    it('answers PING and ECHO', () =>
      check(use(), [
        ['PING', 'PONG'],
        ['PING hello', 'hello'],
        ['PING a b', arity('ping')],
        [['ECHO', 'a b'], 'a b'],
        ['ECHO', arity('echo')],
      ]))

    it('tells the time in seconds and microseconds', async () => {
      const [seconds, micros] = (await result(use(), 'TIME')) as string[]
      expect(Math.abs(Number(seconds) * 1000 - Date.now())).toBeLessThan(5_000)
      expect(Number(micros)).toBeGreaterThanOrEqual(0)
      expect(Number(micros)).toBeLessThan(1_000_000)
      await check(use(), [['TIME now', arity('time')]])
    })

    it('counts, lists and flushes keys', async () => {
      await check(use(), [
        ['DBSIZE', 0],
        ['MSET a 1 b 2 other 3', 'OK'],
        ['HSET h f v', 1],
        ['DBSIZE', 4],
        ['DBSIZE x', arity('dbsize')],
        ['SCAN x', refused('ERR invalid cursor')],
        ['SCAN 0 COUNT 0', SYNTAX],
        ['SCAN 0 COUNT x', NOT_INTEGER],
        ['SCAN 0 NOPE', SYNTAX],
      ])
      const [cursor, keys] = (await result(use(), 'SCAN', 0, 'COUNT', 100)) as [string, string[]]
      expect([cursor, keys.sort()]).toEqual(['0', ['a', 'b', 'h', 'other']])
      await check(use(), [
        ['SCAN 0 MATCH o* COUNT 100', ['0', ['other']]],
        ['SCAN 0 TYPE hash COUNT 100', ['0', ['h']]],
        ['FLUSHDB NOPE', SYNTAX],
        ['FLUSHDB', 'OK'],
        ['DBSIZE', 0],
        ['FLUSHALL ASYNC', 'OK'],
      ])
    })

    it('visits every key once while SCAN goes on to its cursor', async () => {
      const names = Array.from({ length: 35 }, (_, index) => `key:${index}`)
      for (const name of names) await result(use(), 'SET', name, '1')
      const seen = new Set<string>()
      let cursor = '0'
      do {
        const [next, page] = (await result(use(), 'SCAN', cursor)) as [string, string[]]
        for (const name of page) seen.add(name)
        cursor = next
      } while (cursor !== '0')
      expect([...seen].sort()).toEqual(names.sort())
    })

    it('refuses an unknown command without repeating its arguments', async () => {
      const { error } = await send(use(), 'NOSUCH', 'secret')
      expect(error).toBe("ERR unknown command 'NOSUCH'")
      await check(use(), [['GET', arity('get')]])
    })

    it('accepts names of commands in any case', () =>
      check(use(), [
        ['set k v', 'OK'],
        ['GeT k', 'v'],
        ['hgetall none', []],
      ]))
  })

  describe('keys', () => {
    it('removes and counts keys of every type', () =>
      check(use(), [
        ['SET s 1', 'OK'],
        ['HSET h f 1', 1],
        ['ZADD z 1 m', 1],
        ['SADD t m', 1],
        ['TYPE s', 'string'],
        ['TYPE h', 'hash'],
        ['TYPE z', 'zset'],
        ['TYPE t', 'set'],
        ['TYPE none', 'none'],
        ['EXISTS s h z t none s', 5],
        ['DEL s h none s', 2],
        ['UNLINK z t', 2],
        ['EXISTS s h z t', 0],
        ['DEL', arity('del')],
        ['EXISTS', arity('exists')],
      ]))

    it('forgets the contents of a removed key', () =>
      check(use(), [
        ['HSET k f 1', 1],
        ['ZADD z 1 m', 1],
        ['DEL k z', 2],
        ['HSET k g 2', 1],
        ['HGETALL k', ['g', '2']],
        ['ZADD z 2 n', 1],
        ['ZRANGE z 0 -1', ['n']],
      ]))

    it('tells how long a key lives', async () => {
      await check(use(), [
        ['TTL k', -2],
        ['PTTL k', -2],
        ['SET k v', 'OK'],
        ['TTL k', -1],
        ['PTTL k', -1],
        ['EXPIRE k 100', 1],
        ['TTL k', 100],
      ])
      const ttlMs = (await result(use(), 'PTTL', 'k')) as number
      expect(ttlMs).toBeGreaterThan(99_000)
      expect(ttlMs).toBeLessThanOrEqual(100_000)
      await check(use(), [
        ['PEXPIRE k 5000', 1],
        ['TTL k', 5],
        ['PERSIST k', 1],
        ['PERSIST k', 0],
        ['PERSIST none', 0],
        ['TTL k', -1],
        ['EXPIRE none 5', 0],
      ])
    })

    it('accepts absolute expiries and removes at once what lies in the past', async () => {
      const tomorrow = Date.now() + DAY_MS
      await check(use(), [
        ['SET k v', 'OK'],
        [['PEXPIREAT', 'k', tomorrow], 1],
        ['TTL k', 86_400],
        [['EXPIREAT', 'k', Math.floor(tomorrow / 1000)], 1],
        ['EXPIREAT k -5', 1],
        ['EXISTS k', 0],
        ['SET k v', 'OK'],
        ['EXPIRE k 0', 1],
        ['GET k', null],
      ])
    })

    it('applies the conditions of EXPIRE', () =>
      check(use(), [
        ['SET k v', 'OK'],
        ['EXPIRE k 100 XX', 0],
        ['EXPIRE k 100 GT', 0],
        ['EXPIRE k 100 NX', 1],
        ['EXPIRE k 200 NX', 0],
        ['EXPIRE k 50 GT', 0],
        ['EXPIRE k 200 GT', 1],
        ['EXPIRE k 300 LT', 0],
        ['EXPIRE k 60 LT', 1],
        ['EXPIRE k 70 XX', 1],
        ['TTL k', 70],
        ['PERSIST k', 1],
        ['EXPIRE k 10 LT', 1],
      ]))

    it('refuses expiries that it cannot read or hold', () =>
      check(use(), [
        ['SET k v', 'OK'],
        ['EXPIRE k', arity('expire')],
        ['EXPIRE k soon', NOT_INTEGER],
        ['EXPIRE k 1.5', NOT_INTEGER],
        ['EXPIRE k 1 foo', refused('ERR Unsupported option foo')],
        [
          'EXPIRE k 1 NX XX',
          refused('ERR NX and XX, GT or LT options at the same time are not compatible'),
        ],
        ['EXPIRE k 1 GT LT', refused('ERR GT and LT options at the same time are not compatible')],
        ['EXPIRE k 9223372036854775', refused("ERR invalid expire time in 'expire' command")],
        ['PEXPIRE k 9223372036854775807', refused("ERR invalid expire time in 'pexpire' command")],
        ['TTL k', -1],
      ]))

    it('no longer finds an expired key, whatever its type', async () => {
      await check(use(), [
        ['SET s v PX 20', 'OK'],
        ['HSET h f 1', 1],
        ['PEXPIRE h 20', 1],
        ['ZADD z 1 m', 1],
        ['PEXPIRE z 20', 1],
      ])
      await sleep(40)
      await check(use(), [
        ['GET s', null],
        ['EXISTS s h z', 0],
        ['TTL s', -2],
        ['TYPE h', 'none'],
        ['HGETALL h', []],
        ['HINCRBY h f 5', 5],
        ['TTL h', -1],
        ['ZCARD z', 0],
        ['SET z now-a-string NX', 'OK'],
      ])
    })
  })
}
