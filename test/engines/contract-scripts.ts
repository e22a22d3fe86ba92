/** The part of the contract about Lua scripts. */
import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createRedis } from '../../src/store/redis.ts'
import { AWKWARD } from './contract-strings.ts'
import { check, NOT_INTEGER, refused, result, type Step, type Use } from './steps.ts'

const sha = (script: string) => createHash('sha1').update(script).digest('hex')

/** A script without keys, and what it answers. */
const answers = (script: string, answer: unknown): Step => [['EVAL', script, 0], answer]

/** The error of a script, with the place that Redis adds to it. */
const fails = (script: string, message: string, line = 1): Step => [
  ['EVAL', script, 0],
  refused(`${message} script: ${sha(script)}, on @user_script:${line}.`),
]

export function scriptContract(use: Use): void {
  describe('replies of scripts', () => {
    it('converts Lua values', () =>
      check(use(), [
        answers('return 1', 1),
        answers('return 3.99', 3),
        answers('return -3.99', -3),
        answers('return 2^53', 9007199254740992),
        answers('return "text"', 'text'),
        answers('return true', 1),
        answers('return false', null),
        answers('return nil', null),
        answers('return', null),
        answers('return {}', []),
        answers('return {1, {2, "x", {3}}, 4.5}', [1, [2, 'x', [3]], 4]),
        answers('return {1, nil, 3}', [1]),
        answers('return {1, false, 3, true}', [1, null, 3, 1]),
        answers('return {named = 1}', []),
        answers('return {ok = "FINE"}', 'FINE'),
        answers('return redis.status_reply("FINE")', 'FINE'),
        answers('return {err = "MY error"}', refused('MY error')),
        answers('return redis.error_reply("boom")', refused('ERR boom')),
        answers('return redis.error_reply("MY boom")', refused('MY boom')),
        answers('return redis.error_reply("-MY boom")', refused('MY boom')),
        answers('return redis.error_reply("boom").err', 'ERR boom'),
      ]))

    it('converts the replies of commands', () =>
      check(use(), [
        ['HSET h a 1', 1],
        answers('return type(redis.call("GET", "none"))', 'boolean'),
        answers('return redis.call("HMGET", "h", "a", "none")', ['1', null]),
        answers('return type(redis.call("HMGET", "h", "none")[1])', 'boolean'),
        answers('return redis.call("PING").ok', 'PONG'),
        answers('return redis.call("SET", "k", "v")', 'OK'),
        answers('return redis.call("SET", "k", "v").ok', 'OK'),
        answers('return redis.call("SET", "k", "v", "NX") == false', 1),
        answers('return redis.call("HINCRBY", "h", "n", 5) + 1', 6),
        answers('return #redis.call("HGETALL", "h")', 4),
        answers('return #redis.call("HGETALL", "none")', 0),
        answers('return #redis.call("TIME")', 2),
        answers('return type(redis.call("TIME")[1])', 'string'),
      ]))

    it('hands over keys and arguments as strings', () =>
      check(use(), [
        [
          ['EVAL', 'return {KEYS[1], KEYS[2], ARGV[1], ARGV[2]}', 2, 'a', 'b', 1, true],
          ['a', 'b', '1', 'true'],
        ],
        [
          ['EVAL', 'return {#KEYS, #ARGV, type(ARGV[1])}', 1, 'a', 7],
          [1, 1, 'string'],
        ],
        [['EVAL', 'return {KEYS[1], ARGV[1]}', 0], []],
        [['EVAL', 'return ARGV[1] + 1', 0, '41'], 42],
        [['EVAL', 'KEYS[1] = "changed" return KEYS', 1, 'a'], ['changed']],
        [['EVAL', 'return 1', 'x'], NOT_INTEGER],
        [['EVAL', 'return 1', -1], refused("ERR Number of keys can't be negative")],
        [
          ['EVAL', 'return 1', 2, 'a'],
          refused("ERR Number of keys can't be greater than number of args"),
        ],
      ]))

    it('leaves every kind of text unharmed', async () => {
      for (const text of AWKWARD) {
        const script =
          'redis.call("SET", KEYS[1], ARGV[1]) return {redis.call("GET", KEYS[1]), #ARGV[1]}'
        const size = Buffer.byteLength(text)
        await check(use(), [
          [
            ['EVAL', script, 1, 'k', text],
            [text, size],
          ],
        ])
      }
      const big = 'ä'.repeat(200_000)
      await check(use(), [[['EVAL', 'return ARGV[1] .. "!"', 0, big], `${big}!`]])
    })

    it('prints numbers as Lua 5.1 and Redis do', async () => {
      await check(use(), [
        answers('return tostring(10 / 2)', '5'),
        answers('return "a" .. 10 / 4', 'a2.5'),
        answers('return tostring(1e15)', '1e+15'),
        answers('return string.format("%.0f", 2^53)', '9007199254740992'),
        answers('return string.format("%.0f", 2^53 - 1)', '9007199254740991'),
        answers('return string.format("%.0f", tonumber("123456789012345"))', '123456789012345'),
        answers('return string.format("%d,%5.2f,%s", 3, 2.5, "x")', '3, 2.50,x'),
        answers('return redis.call("PING", 3)', '3'),
        answers('return redis.call("PING", 123456789.5)', '123456789.5'),
        answers('return redis.call("PING", 2^53)', '9007199254740992'),
        answers('return redis.call("PING", 2^53 + 2)', '9007199254740994'),
        answers('return redis.call("PING", -12)', '-12'),
      ])
      for (const number of ['0.1', '1e20', '1e-5', '1.7e-300']) {
        const text = await result(use(), 'EVAL', `return redis.call("PING", ${number})`, 0)
        expect(Number(text)).toBe(Number(number))
      }
    })

    it('has the library of Lua 5.1', () =>
      check(use(), [
        answers('return table.concat({1, 2, 3}, ",")', '1,2,3'),
        answers('return {unpack({1, 2, 3})}', [1, 2, 3]),
        answers('return math.floor(2.7) + math.max(1, 5) + select("#", 1, 2)', 9),
        answers('return {("a,b"):match("(%w),(%w)")}', ['a', 'b']),
        answers('local n = 0 for k, v in pairs({a = 1, b = 2}) do n = n + v end return n', 3),
        answers('local t = {3, 1, 2} table.sort(t) return t', [1, 2, 3]),
        answers('return tonumber("0x10") + tonumber("z", 36)', 51),
        answers('return redis.sha1hex("")', 'da39a3ee5e6b4b0d3255bfef95601890afd80709'),
        answers('return type(redis.log)', 'function'),
      ]))

    it('passes hundreds of arguments at once', async () => {
      const fields = Array.from({ length: 600 }, (_, index) => `f${index}`)
      await result(use(), 'HSET', 'h', ...fields.flatMap((field) => [field, `${field}v`]))
      const script = 'return redis.call("HMGET", KEYS[1], unpack(ARGV))'
      const values = await result(use(), 'EVAL', script, 1, 'h', ...fields)
      expect(values).toEqual(fields.map((field) => `${field}v`))
    })
  })

  describe('errors of scripts', () => {
    it('ends a script with the error of its command', () =>
      check(use(), [
        ['SET s v', 'OK'],
        ['HSET h n x', 1],
        fails(
          'return redis.call("HGET", "s", "f")',
          'WRONGTYPE Operation against a key holding the wrong kind of value',
        ),
        fails(
          'local x = 1\nreturn redis.call("HINCRBY", "h", "n", 1)',
          'ERR hash value is not an integer',
          2,
        ),
        fails('return redis.call("NOSUCH")', 'ERR Unknown Redis command called from script'),
        fails(
          'return redis.call("GET")',
          'ERR Wrong number of args calling Redis command from script',
        ),
        fails(
          'return redis.call()',
          'ERR Please specify at least one argument for this redis lib call',
        ),
        fails(
          'return redis.call("GET", {})',
          'ERR Lua redis lib command arguments must be strings or integers',
        ),
        fails(
          'return redis.call("EVAL", "return 1", 0)',
          'ERR This Redis command is not allowed from script',
        ),
      ]))

    it('hands the error to a script that catches it', () =>
      check(use(), [
        ['HSET h n x', 1],
        answers(
          'return redis.pcall("HINCRBY", "h", "n", 1)',
          refused('ERR hash value is not an integer'),
        ),
        answers('return redis.pcall("HINCRBY", "h", "n", 1).err:sub(1, 3)', 'ERR'),
        answers('return redis.pcall("HGET", "h", "n")', 'x'),
        answers(
          'local ok, failure = pcall(redis.call, "HINCRBY", "h", "n", 1) return {tostring(ok), failure}',
          ['false', 'ERR hash value is not an integer'],
        ),
        answers('local ok, value = pcall(function() return 7 end) return {ok, value}', [1, 7]),
      ]))

    it('reports the errors of the script itself with their line', () =>
      check(use(), [
        fails('error("boom")', 'ERR user_script:1: boom'),
        fails('error({err = "MY boom"})', 'MY boom'),
        fails(
          'local x\nreturn x.y',
          "ERR user_script:2: attempt to index local 'x' (a nil value)",
          2,
        ),
        [
          ['EVAL', 'return x x', 0],
          refused(/^ERR Error compiling script \(new function\): user_script:1: .*near 'x'$/),
        ],
      ]))

    it('protects the globals', () =>
      check(use(), [
        fails('foo = 1', 'ERR user_script:1: Attempt to modify a readonly table'),
        fails('redis = nil', 'ERR user_script:1: Attempt to modify a readonly table'),
        fails('string.rep = nil', 'ERR user_script:1: Attempt to modify a readonly table'),
        fails(
          'return foo',
          "ERR user_script:1: Script attempted to access nonexistent global variable 'foo'",
        ),
        answers('return redis.call("PING")', 'PONG'),
      ]))

    it('keeps what a script wrote before its error', () =>
      check(use(), [
        [
          ['EVAL', 'redis.call("SET", "a", 1) redis.call("SET", "b", 1) error("late")', 0],
          refused(/^ERR user_script:1: late/),
        ],
        ['GET a', '1'],
        ['GET b', '1'],
      ]))
  })

  describe('cached scripts', () => {
    /** A text that no engine has been sent before, with the same answer each time. */
    let texts = 0
    const fresh = () =>
      `-- ${process.hrtime.bigint()}-${texts++}\nreturn {KEYS[1], ARGV[1], "cached"}`

    it('runs a script by its digest once it has been sent as text', async () => {
      const script = fresh()
      const missing = refused('NOSCRIPT No matching script. Please use EVAL.')
      const answer = ['k', 'v', 'cached']
      await check(use(), [
        [['EVALSHA', sha(script), 1, 'k', 'v'], missing],
        [['EVAL', script, 1, 'k', 'v'], answer],
        [['EVALSHA', sha(script), 1, 'k', 'v'], answer],
        [['EVALSHA', sha(script).toUpperCase(), 1, 'k', 'v'], answer],
      ])
    })

    it('serves the scripts of the typed client, which falls back to the text', async () => {
      const script = createRedis(use()).createScript<string[]>(fresh())
      expect(await script.exec(['k'], ['v'])).toEqual(['k', 'v', 'cached'])
      expect(await script.exec(['k'], ['w'])).toEqual(['k', 'w', 'cached'])
    })
  })

  describe('atomicity of scripts', () => {
    it('runs a hundred concurrent scripts one after the other', async () => {
      const script = `
        local n = tonumber(redis.call("GET", KEYS[1]) or "0")
        redis.call("SET", KEYS[1], n + 1)
        redis.call("ZADD", KEYS[2], n, ARGV[1])
        return n`
      const runs = Array.from({ length: 100 }, (_, index) =>
        result(use(), 'EVAL', script, 2, 'n', 'z', `m${index}`),
      )
      const seen = (await Promise.all(runs)) as number[]
      expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, n) => n))
      await check(use(), [
        ['GET n', '100'],
        ['ZCARD z', 100],
      ])
    })
  })
}
