import { describe, expect, it } from 'vitest'
import { AccountInput } from '../../src/catalog/account.ts'
import { listedModels, upstreamModel } from '../../src/catalog/supported-models.ts'

/** As the form of an account takes them. */
const supported = (supportedModels: unknown) =>
  AccountInput.parse({ name: 'a', apiUrl: 'https://a.example', apiKey: 'k', supportedModels })
    .supportedModels

describe('the model that an account is asked for', () => {
  it('is the model itself where nothing is listed', () => {
    for (const none of [[], {}, undefined]) expect(upstreamModel(supported(none), 'm')).toBe('m')
  })

  it('is the model itself where it is listed, and else none', () => {
    expect(upstreamModel(supported(['m', ' n ', 'm']), 'n')).toBe('n')
    expect(upstreamModel(supported(['m']), 'M')).toBeUndefined()
  })

  it('is the name that a map gives it, and else none', () => {
    expect(upstreamModel(supported({ m: 'vendor/m' }), 'm')).toBe('vendor/m')
    expect(upstreamModel(supported({ m: 'vendor/m' }), 'vendor/m')).toBeUndefined()
  })

  it.each(['constructor', 'toString', '__proto__'])('is none for the name %s', (name) => {
    expect(upstreamModel(supported({ m: 'x' }), name)).toBeUndefined()
  })

  it('is itself where a pattern fits, the longest first', () => {
    expect(upstreamModel(supported(['claude-*']), 'claude-opus-5')).toBe('claude-opus-5')
    expect(upstreamModel(supported(['claude-*']), 'gpt-5')).toBeUndefined()
    expect(upstreamModel(supported(['*']), 'gpt-5')).toBe('gpt-5')
    const map = supported({ '*': 'any', 'claude-*': 'vendor/claude-*', 'claude-opus-5': 'opus' })
    expect(upstreamModel(map, 'gpt-5')).toBe('any')
    expect(upstreamModel(map, 'claude-haiku-4-5')).toBe('vendor/claude-haiku-4-5')
    expect(upstreamModel(map, 'claude-opus-5')).toBe('opus')
  })

  it('keeps the suffix [1m] of a model that is listed without it', () => {
    expect(upstreamModel(supported(['claude-opus-5']), 'claude-opus-5[1m]')).toBe(
      'claude-opus-5[1m]',
    )
    expect(upstreamModel(supported({ a: 'b' }), 'a[1m]')).toBe('b[1m]')
    expect(upstreamModel(supported({ a: 'b[1m]' }), 'a[1m]')).toBe('b[1m]')
    expect(upstreamModel(supported({ 'a[1m]': 'c', a: 'b' }), 'a[1m]')).toBe('c')
  })
})

describe('the models that an account names', () => {
  it('are those that clients ask for, without patterns', () => {
    expect(listedModels(supported(['a', 'claude-*']))).toEqual(['a'])
    expect(listedModels(supported({ a: 'b' }))).toEqual(['a'])
  })

  it('are undefined where it serves every model', () => {
    for (const all of [[], {}, ['a', '*']]) expect(listedModels(supported(all))).toBeUndefined()
  })
})
