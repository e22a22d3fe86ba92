import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { findPrice, type PriceProvider } from '../../src/ledger/price.ts'

const atMs = Date.UTC(2026, 10, 25)
const isPriced = (provider: PriceProvider, model: string) =>
  findPrice({ provider, model, atMs }) !== 'unpriced'

/** The names in the type `Model` of the installed SDK. */
function modelsOfSdk(): string[] {
  const sdk = fileURLToPath(import.meta.resolve('@anthropic-ai/sdk/resources/messages/messages'))
  const types = readFileSync(sdk.replace(/\.m?js$/, '.d.ts'), 'utf8')
  const [, union = ''] = /export type Model = ([^;]+);/.exec(types) ?? []
  return [...union.matchAll(/'([^']+)'/g)].map(([, name = '']) => name)
}

describe('the models that clients name by themselves', () => {
  it('have a price, where the SDK of Anthropic names them', () => {
    const models = modelsOfSdk()
    expect(models.length).toBeGreaterThan(15)
    expect(models.filter((model) => !isPriced('anthropic', model))).toEqual([])
    expect(models.filter((model) => !isPriced('anthropic', `${model}[1m]`))).toEqual([])
  })

  it('have a price, where Claude Code 2.1 asks for them by default', () => {
    const models = ['claude-opus-5-5', 'claude-sonnet-5-5', 'claude-haiku-5-5', 'claude-fable-5-2']
    expect(models.filter((model) => !isPriced('anthropic', model))).toEqual([])
  })

  it('have a price, where Codex 0.169 asks for them by default', () => {
    const models = ['gpt-6.1-sol', 'gpt-6.1-terra', 'gpt-6-sol', 'gpt-6-luna']
    expect(models.filter((model) => !isPriced('openai', model))).toEqual([])
  })

  it.each(['gpt-6-cyber', 'gpt-5.6-cyber', 'codex-auto-review', 'gpt-5.3-codex-spark'])(
    'have none where the vendor publishes none, such as %s',
    (model) => expect(isPriced('openai', model)).toBe(false),
  )
})
