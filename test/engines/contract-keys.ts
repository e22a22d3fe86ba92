/** The part of the contract about keys of any type, their expiry and the server itself. */
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { arity, check, NOT_INTEGER, refused, result, SYNTAX, send, type Use } from './steps.ts'

export function keyContract(use: Use): void {
  describe('server commands', () => {
    it('answers PING', () =>
      check(use(), [
        ['PING', 'PONG'],
        ['PING hello', 'hello'],
        ['PING a b', arity('ping')],
      ]))

    it('answers the time in seconds and microseconds', async () => {
      const [seconds, micros] = (await result(use(), 'TIME')) as string[]
      expect(Math.abs(Number(seconds) * 1000 - Date.now())).toBeLessThan(60_000)
      expect(Number(micros)).toBeGreaterThanOrEqual(0)
      expect(Number(micros)).toBeLessThan(1_000_000)
      await check(use(), [['TIME now', arity('time')]])
    })

    it('removes every key', () =>
      check(use(), [
        ['SET a 1', 'OK'],
        ['HSET h f v', 1],
        ['FLUSHALL NOPE', SYNTAX],
        ['FLUSHALL', 'OK'],
        ['EXISTS a h', 0],
      ]))

    it('walks through the keys that begin with a text, some with each call', async () => {
      await check(use(), [['FLUSHALL', 'OK']])
      const names = Array.from({ length: 25 }, (_, i) => `walk:${i}`)
      for (const name of [...names, 'other:1']) await result(use(), 'SET', name, '1')
      const found = new Set<string>()
      let cursor = '0'
      do {
        const page = await result(use(), 'SCAN', cursor, 'MATCH', 'walk:*', 'COUNT', '7')
        const [next, keys] = page as [string, string[]]
        for (const key of keys) found.add(key)
        cursor = String(next)
      } while (cursor !== '0')
      expect([...found].sort()).toEqual(names.sort())
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
        ['EXISTS s h z none s', 4],
        ['DEL s h none s', 2],
        ['DEL z', 1],
        ['EXISTS s h z', 0],
        ['DEL', arity('del')],
        ['EXISTS', arity('exists')],
      ]))

    it('removes the contents of a removed key', () =>
      check(use(), [
        ['HSET k f 1', 1],
        ['ZADD z 1 m', 1],
        ['DEL k z', 2],
        ['HSET k g 2', 1],
        ['HGETALL k', ['g', '2']],
        ['ZADD z 2 n', 1],
        ['ZRANGE z 0 -1', ['n']],
      ]))

    it('answers how long a key lives', async () => {
      await check(use(), [
        ['PTTL k', -2],
        ['SET k v', 'OK'],
        ['PTTL k', -1],
        ['PEXPIRE k 100000', 1],
      ])
      const ttlMs = (await result(use(), 'PTTL', 'k')) as number
      expect(ttlMs).toBeGreaterThan(0)
      expect(ttlMs).toBeLessThanOrEqual(100_000)
      await check(use(), [['PEXPIRE none 5', 0]])
    })

    it('removes at once what expires now or earlier', () =>
      check(use(), [
        ['SET k v', 'OK'],
        ['PEXPIRE k 0', 1],
        ['GET k', null],
        ['HSET h f 1', 1],
        ['PEXPIRE h -5', 1],
        ['EXISTS h', 0],
      ]))

    it('refuses expiries that are no number or too large', () =>
      check(use(), [
        ['SET k v', 'OK'],
        ['PEXPIRE k', arity('pexpire')],
        ['PEXPIRE k soon', NOT_INTEGER],
        ['PEXPIRE k 1.5', NOT_INTEGER],
        ['PEXPIRE k 9223372036854775807', refused("ERR invalid expire time in 'pexpire' command")],
        ['PTTL k', -1],
      ]))

    it('no longer finds an expired key of any type', async () => {
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
        ['PTTL s', -2],
        ['HGETALL h', []],
        ['HINCRBY h f 5', 5],
        ['PTTL h', -1],
        ['ZCARD z', 0],
        ['SET z now-a-string NX', 'OK'],
      ])
    })
  })
}
