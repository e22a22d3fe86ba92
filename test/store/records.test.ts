/** Packed records: what Lua writes TypeScript reads, and the other way round; the texts are format 1. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { decodeHealth, healthCodec } from '../../src/store/records/health.ts'
import { lease } from '../../src/store/records/lease.ts'
import { decodeLoad, load } from '../../src/store/records/load.ts'
import { session } from '../../src/store/records/session.ts'
import { packSums, sumsCodec, unpackSums } from '../../src/store/records/sums.ts'
import { integerLua } from '../../src/store/script-prologue.ts'
import { runs } from '../support/property.ts'
import { describeOnStores } from './scripts/setup.ts'

const limits = runs(40)
const int = `local function int(number) return string.format('%.0f', number) end
${integerLua}`

describeOnStores('a packed record', (bench) => {
  /** Reads the text in Lua, packs what was read, and answers both. */
  const throughLua = async (codec: string, name: string, text: string) => {
    const lua = `${int}\n${codec}\nlocal it = read${name}(ARGV[1])\nreturn it and pack${name}(it) or 'none'`
    return bench().redis.eval<string[], string>(lua, [], [text])
  }

  const word = fc.string({ maxLength: 12 }).filter((text) => !text.includes('|'))
  const count = fc.integer({ min: -1_000, max: 2 ** 50 })
  const leases = fc.record({
    ledgerId: word,
    poolId: word,
    keyId: word,
    accountId: word,
    generation: fc.integer({ min: 1, max: 9 }),
    reservationNanoUsd: count,
    family: word,
    model: fc.string({ maxLength: 12 }),
  })

  it('of a lease comes back from Lua and from TypeScript as it was', async () => {
    const check = async (value: NonNullable<ReturnType<typeof lease.decode>>) => {
      const text = lease.encode(value)
      expect(lease.decode(text)).toEqual(value)
      expect(await throughLua(lease.lua, 'Lease', text)).toBe(text)
    }
    await fc.assert(fc.asyncProperty(leases, check), limits)
  })

  it('keeps the texts of format 1', async () => {
    const member = 'id|claude-console|key|a|2|100|opus|gpt|5'
    expect(lease.decode(member)).toEqual({
      ledgerId: 'id',
      poolId: 'claude-console',
      keyId: 'key',
      accountId: 'a',
      generation: 2,
      reservationNanoUsd: 100,
      family: 'opus',
      model: 'gpt|5',
    })
    const loaded = { inflight: 1, pickedMs: 2, reservedNanoUsd: 3, day: '', spentNanoUsd: 4 }
    expect(load.encode(loaded)).toBe('1|2|3||4')
    expect(decodeLoad('1|2|3||4')).toEqual(loaded)
    const sticky = { primary: 'a', servedMs: 5, previousMs: 4, current: 'b', moves: 1 }
    expect(session.encode(sticky)).toBe('a|5|4|b|1')
    expect(session.decode('a|5|4|b|1')).toEqual(sticky)
    const health = { untilMs: 9, failures: 2, isProbing: true, sinceMs: 7, reason: 'overloaded' }
    expect(decodeHealth('9|2p|7|overloaded')).toEqual(health)
    for (const [codec, name, text] of [
      [lease.lua, 'Lease', member],
      [load.lua, 'Load', '1|2|3||4'],
      [session.lua, 'Session', 'a|5|4|b|1'],
      [healthCodec, 'Health', '9|2p|7|overloaded'],
      [healthCodec, 'Health', '9|2|7|overloaded'],
    ] as const) {
      expect(await throughLua(codec, name, text)).toBe(text)
    }
  })

  it('of another form is none, to Lua and to TypeScript alike', async () => {
    for (const text of ['', 'x', '1|2', 'a|b|c|d|e', '1|2|3|4|5x']) {
      expect(session.decode(text)).toBeUndefined()
      expect(await throughLua(session.lua, 'Session', text)).toBe('none')
    }
    expect(decodeHealth('soon|1|2|overloaded')).toBeUndefined()
    expect(await throughLua(healthCodec, 'Health', 'soon|1|2|overloaded')).toBe('none')
    expect(decodeLoad('damaged')).toEqual(decodeLoad(null))
  })

  it('of sums adds up in Lua as in TypeScript, also onto an older and shorter text', async () => {
    const add = (packed: string, delta: string, sign: number) => {
      const lua = `${int}\n${sumsCodec}\nlocal changes, count = changesOf(ARGV[2], tonumber(ARGV[3]))\nreturn addSums(ARGV[1] ~= '' and ARGV[1] or nil, changes, count)`
      return bench().redis.eval<string[], string>(lua, [], [packed, delta, String(sign)])
    }
    const one = packSums({ requests: 1, costNanoUsd: 700, sessionMoves: 2 })
    const sum = await add('3:0:0:0:0:0:0:50', one, 1)
    expect(unpackSums(sum)).toMatchObject({ requests: 4, costNanoUsd: 750, sessionMoves: 2 })
    expect(unpackSums(await add(sum, one, -1))).toMatchObject({ requests: 3, costNanoUsd: 50 })
    expect(await add('', one, 1)).toBe(one)
  })
})
