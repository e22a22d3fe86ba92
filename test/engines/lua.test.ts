/** Compiled scripts against the implementations of Lua 5.1 that they stand for. */
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEmbeddedEngine } from '../../src/node/engines/embedded/engine.ts'
import { createLua, type LuaEngine } from '../../src/node/engines/embedded/lua/engine.ts'
import { CommandError } from '../../src/node/engines/embedded/reply.ts'
import { createTcpEngine } from '../../src/node/engines/tcp.ts'
import type { Engine } from '../../src/store/redis.ts'
import { has } from '../support/lanes.ts'
import { runs } from '../support/property.ts'
import { snippets, snippetsOfRedis } from './lua-snippets.ts'
import { loadRealLua } from './real-lua/interpreter.ts'
import { type RedisServer, startRedisServer } from './redis-server.ts'
import { send } from './steps.ts'

const sha1 = (text: string) => createHash('sha1').update(text).digest('hex')

/** Scripts here call PING at most, which needs no data. */
const execute = (words: string[]) => {
  if (words[0] === 'PING' && words[1] !== undefined) return words[1]
  throw new CommandError(`ERR called with ${words.join(' ')}`)
}

function outcome(lua: LuaEngine, source: string, args: string[] = []) {
  try {
    return { reply: lua.run({ sha: sha1(source), source, compiled: undefined }, [], args) }
  } catch (error) {
    if (error instanceof CommandError) return { error: error.message }
    throw error
  }
}

describe('a compiled script', () => {
  const compiled = createLua(execute)
  let real: LuaEngine
  beforeAll(async () => {
    real = (await loadRealLua())(execute)
  })

  it('has the reply or the error that real Lua has', () => {
    expect(snippets.length).toBeGreaterThan(500)
    for (const source of snippets) {
      expect(outcome(compiled, source), source).toEqual(outcome(real, source))
    }
  })

  const show = `
    local function show(...)
      local shown = {}
      for i = 1, select('#', ...) do
        local value = select(i, ...)
        -- Neither the place of a table nor the sign of what is no number is part of the language.
        shown[i] = value ~= value and 'nan' or type(value) == 'table' and 'table' or tostring(value)
      end
      return shown
    end`
  const compare = (text: string, args: string[]) => {
    const source = `${show} return show(${text})`
    expect(outcome(compiled, source, args), `${text} ${JSON.stringify(args)}`).toEqual(
      outcome(real, source, args),
    )
  }

  it('reads and prints every number as real Lua does', () => {
    const digits = fc.stringMatching(
      /^[ \t]?[-+]?(0[xX])?[0-9a-fA]{0,6}\.?[0-9]{0,17}([eEpP][-+]?[0-9]{1,3})?[ \n]?$/,
    )
    // Where nothing follows the prefix, the libraries of C differ.
    const isClear = (text: string) => !/0x(?!\.?[0-9a-f])/i.test(text)
    const bits = fc.double({ noNaN: true }).map(String)
    fc.assert(
      fc.property(fc.oneof(digits.filter(isClear), bits), (text) => {
        compare(
          "tonumber(ARGV[1]), tonumber((ARGV[1]:gsub('%-', '')):sub(1, 7), 16), ARGV[1] == tostring(tonumber(ARGV[1]))",
          [text],
        )
        const formats = ['%.14g', '%.17g', '%.0f', '%.3f', '%e', '%.10g', '%8.2e']
        const numbers = formats.map((format) => `('${format}'):format(tonumber(ARGV[1]) or 0)`)
        compare(numbers.join(', '), [text])
      }),
      runs(100),
    )
  })

  it('computes and compares as real Lua does', () => {
    const operand = fc.oneof(
      fc.integer({ min: -20, max: 20 }).map(String),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => `(${value})`),
      fc.constantFrom(
        'nil',
        'true',
        'false',
        '{}',
        '"x"',
        '""',
        '"10"',
        '" 7 "',
        '"0x1f"',
        'ARGV[1]',
      ),
    )
    const operator = fc.constantFrom(
      '+',
      '-',
      '*',
      '/',
      '%',
      '..',
      '<',
      '<=',
      '>',
      '>=',
      '==',
      '~=',
      'and',
      'or',
    )
    const expression = fc.tuple(operand, operator, operand, operator, operand)
    fc.assert(
      fc.property(expression, ([a, first, b, second, c]) => {
        compare(
          `pcall(function() local a, b = ${a}, ${b} return a ${first} b, not a, (a ${first} b) ${second} ${c} end)`,
          ['3'],
        )
      }),
      runs(100),
    )
  })

  it('matches patterns as real Lua does', () => {
    const part = fc.constantFrom(
      'a',
      'b',
      '.',
      '%a',
      '%d',
      '%s',
      '%w',
      '[ab]',
      '[^a]',
      '[a-c]',
      '[%d_]',
      '(',
      ')',
      '()',
      '*',
      '+',
      '-',
      '?',
      '^',
      '$',
      '%1',
      '%b()',
      '%f[%w]',
      '|',
      '%',
      '[',
      ']',
      '\0',
    )
    const pattern = fc.array(part, { maxLength: 6 }).map((parts) => parts.join(''))
    const letter = fc.constantFrom('a', 'b', 'c', '1', '|', '(', ')', ' ', '_', 'ä', '\0', '$', '^')
    const subject = fc.array(letter, { maxLength: 12 }).map((letters) => letters.join(''))
    fc.assert(
      fc.property(subject, pattern, fc.integer({ min: -4, max: 8 }), (text, pattern, init) => {
        const args = [text, pattern, String(init)]
        compare('pcall(function() return string.find(ARGV[1], ARGV[2], ARGV[3]) end)', args)
        compare('pcall(function() return string.match(ARGV[1], ARGV[2], ARGV[3]) end)', args)
        compare("pcall(function() return string.gsub(ARGV[1], ARGV[2], '<%0>') end)", args)
        compare("pcall(function() return string.gsub(ARGV[1], ARGV[2], '%1', 2) end)", args)
        compare(
          'pcall(function() local all = {} for a, b in ARGV[1]:gmatch(ARGV[2]) do all[#all + 1] = tostring(a) .. tostring(b) if #all > 20 then break end end return table.concat(all, ";") end)',
          args,
        )
        compare('ARGV[1]:sub(ARGV[3]), ARGV[1]:sub(ARGV[3], -2), ARGV[1]:byte(ARGV[3])', args)
      }),
      runs(200),
    )
  })
})

describe.runIf(has('redis-server'))('a compiled script beside one on redis-server', () => {
  let server: RedisServer
  let redis: Engine
  const compiled = createEmbeddedEngine({ path: ':memory:' })
  beforeAll(async () => {
    server = await startRedisServer()
    redis = createTcpEngine({ url: server.url, timeoutMs: 30_000 })
  })
  afterAll(async () => {
    await Promise.all([redis.close(), compiled.close()])
    await server.stop()
  })

  it('has the same reply or error', async () => {
    for (const source of [...snippets, ...snippetsOfRedis]) {
      const [answer, expected] = await Promise.all(
        [compiled, redis].map((engine) => send(engine, 'EVAL', source, 0)),
      )
      expect(answer, source).toEqual(expected)
    }
  })
})
