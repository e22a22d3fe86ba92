/** What stops a script that would never end, and what no script can reach. */
import { describe, expect, it } from 'vitest'
import { createEmbeddedEngine } from '../../src/node/engines/embedded/engine.ts'
import { check, refused, send } from './steps.ts'

describe('a script without an end', () => {
  const STOPPED = /script stopped|not enough memory/

  const scripts = {
    'never ends': 'while true do end',
    'never ends and catches its errors':
      'while true do pcall(function() while true do end end) end',
    'never stops calling': 'while true do redis.call("GET", "k") end',
    'doubles a string for ever': 'local s = "x" while true do s = s .. s end',
    'fills memory and catches its errors':
      'while true do pcall(function() local s = "x" while true do s = s .. s end end) end',
    'repeats a string without end': 'return #string.rep("x", 1e9)',
    'keeps making tables': 'local t = {} while true do t[#t + 1] = {a = 1, b = {}} end',
    'keeps making keys': 'local t, i = {}, 0 while true do i = i + 1 t["k" .. i] = i end',
    'keeps making functions': 'local f while true do local g = f f = function() return g end end',
    'keeps passing thousands of values':
      'local t = {} for i = 1, 7000 do t[i] = i end while true do select("#", unpack(t)) end',
    'keeps walking through a table':
      'local t = {} for i = 1, 1000 do t[i] = i end while true do for k in pairs(t) do break end end',
    'keeps failing': 'while true do pcall(error, "x") end',
    'matches a pattern that tries everything': 'return ("a"):rep(30000):find(".-.-.-.-b")',
    'doubles its calls at every depth':
      'local function f(n) if n == 0 then return 0 end return f(n - 1) + f(n - 1) end return f(60)',
    'calls itself for ever': 'local function f() return 1 + f() end return f()',
  }
  for (const [what, script] of Object.entries(scripts)) {
    it(`is stopped when it ${what}`, async () => {
      const engine = createEmbeddedEngine({ path: ':memory:' })
      const { error } = await send(engine, 'EVAL', script, 0)
      expect(error).toMatch(what.startsWith('calls') ? /stack overflow/ : STOPPED)
      await check(engine, [
        [
          ['EVAL', 'return redis.call("HINCRBY", "h", "n", 1) + #string.rep("x", 1e6)', 0],
          1_000_001,
        ],
      ])
      await engine.close()
    })
  }

  it('is refused where it nests too deeply to be compiled', async () => {
    const engine = createEmbeddedEngine({ path: ':memory:' })
    const texts = [
      `return ${'('.repeat(50_000)}1${')'.repeat(50_000)}`,
      `return ${'1 + '.repeat(20_000)}1`,
      `local x = 1 if x == 0 then ${'elseif x == 2 then '.repeat(20_000)} end return x`,
    ]
    for (const text of texts) {
      const { error } = await send(engine, 'EVAL', text, 0)
      expect(error).toMatch('chunk has too many syntax levels')
    }
    await check(engine, [[['EVAL', 'return 1', 0], 1]])
    await engine.close()
  })

  it('is refused an answer that contains itself', async () => {
    const engine = createEmbeddedEngine({ path: ':memory:' })
    await check(engine, [
      [['EVAL', 'local t = {} t[1] = t return t', 0], refused('ERR reached lua stack limit')],
    ])
    await engine.close()
  })

  it('cannot reach around the limits', async () => {
    const engine = createEmbeddedEngine({ path: ':memory:' })
    for (const name of [
      'cjson',
      'bit',
      'setmetatable',
      'getmetatable',
      'rawset',
      '_G',
      'globalThis',
      'process',
      'Object',
      'os',
      'io',
      'debug',
      'require',
      'coroutine',
      'loadstring',
      'xpcall',
    ]) {
      const { error } = await send(engine, 'EVAL', `return ${name}`, 0)
      expect(error).toMatch(`nonexistent global variable '${name}'`)
    }
    await engine.close()
  })
})

describe('the text of a script', () => {
  it('may begin with a line of flags, which is no Lua and keeps the numbers of the lines', async () => {
    const engine = createEmbeddedEngine({ path: ':memory:' })
    await check(engine, [
      [
        ['EVAL', '#!lua flags=allow-key-locking\nreturn {KEYS[1], ARGV[1]}', 1, 'k', 'v'],
        ['k', 'v'],
      ],
      [['EVAL', '#!lua\nreturn nothing', 0], refused(/^ERR user_script:2: .*'nothing'/)],
    ])
    await engine.close()
  })

  it('reaches no property of a JavaScript object by names of its own or of others', async () => {
    const engine = createEmbeddedEngine({ path: ':memory:' })
    const names = [
      'constructor',
      '__proto__',
      'prototype',
      'toString',
      'list',
      'map',
      'get',
      'item',
      '$x',
    ]
    for (const name of names) {
      const script = `
        local t, given = {}, ARGV[1]
        local found = {t[given], t['${name}'], ({})[given], string[given], KEYS[given], (''):rep(1)[given]}
        t[given] = 'v'
        local keys = {}
        for key in pairs(t) do keys[#keys + 1] = key end
        return {#found, #keys, keys[1], t[given], t['${name}']}`
      await check(engine, [
        [
          ['EVAL', script, 0, name],
          [0, 1, name, 'v', 'v'],
        ],
      ])
    }
    await engine.close()
  })
})
