import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ModelPriceInput, modelPriceName } from '../../src/catalog/model-price.ts'
import { noUsage, type PriceFactors } from '../../src/domain/usage.ts'
import { createPricer } from '../../src/ledger/pricer.ts'
import { runs } from '../support/property.ts'

const atMs = Date.UTC(2026, 10, 22)

describe('the reservation for a request', () => {
  const pricer = createPricer()
  const reserve = (bodyBytes: number, maxTokens: number | undefined, model = 'claude-opus-4-5') =>
    pricer.estimateReservation({ provider: 'anthropic', model, bodyBytes, maxTokens, atMs })

  it('counts four bytes as a token of input, and the bound of the client as output', () => {
    expect(reserve(40_000, 100)).toBe(10_000 * 5_000 + 100 * 25_000)
    expect(reserve(1, 0)).toBe(5_000)
  })

  it('counts 4096 tokens of output at most, or when the client sets no bound', () => {
    expect(reserve(0, undefined)).toBe(4_096 * 25_000)
    expect(reserve(0, 128_000)).toBe(4_096 * 25_000)
  })

  it('is 0 for a model without a price', () => {
    expect(reserve(40_000, 100, 'totally-unknown-model-x')).toBe(0)
  })

  it('follows a list price that changes on a date', () => {
    const o3 = { provider: 'openai', model: 'o3', bodyBytes: 4_000, maxTokens: 0 } as const
    const reserveAt = (at: number) => pricer.estimateReservation({ ...o3, atMs: at })
    expect(reserveAt(Date.UTC(2025, 5, 9))).toBe(1_000 * 10_000)
    expect(reserveAt(Date.UTC(2025, 5, 11))).toBe(1_000 * 2_000)
  })

  it('is the same however many other models were asked for meanwhile', () => {
    const before = reserve(4_000, 10)
    for (let i = 0; i < 1_500; i++) reserve(4_000, 10, `model-${i}`)
    expect(reserve(4_000, 10)).toBe(before)
  })
})

describe('the cap of the output in a reservation', () => {
  const input = { provider: 'anthropic', model: 'claude-opus-4-5', bodyBytes: 0, atMs } as const

  it('is what the setting says', () => {
    const pricer = createPricer({ reservationOutputTokens: 1_000 })
    expect(pricer.estimateReservation({ ...input, maxTokens: 128_000 })).toBe(1_000 * 25_000)
    expect(pricer.estimateReservation({ ...input, maxTokens: 10 })).toBe(10 * 25_000)
  })

  it('is off with 0: all that the client allows counts, or 4096 tokens where it names no bound', () => {
    const pricer = createPricer({ reservationOutputTokens: 0 })
    expect(pricer.estimateReservation({ ...input, maxTokens: 128_000 })).toBe(128_000 * 25_000)
    expect(pricer.estimateReservation({ ...input, maxTokens: undefined })).toBe(4_096 * 25_000)
  })
})

describe('the order of authority', () => {
  const usage = { ...noUsage, inputTokens: 1_000 }
  const updatedAt = '2026-11-22T00:00:00.000Z'
  const priceOf = (fields: { model: string; accountId?: string | null; input: number }) => {
    const price = {
      ...ModelPriceInput.parse({ output: 1, ...fields }),
      id: fields.model,
      updatedAt,
    }
    return [modelPriceName(price.model, price.accountId), price] as const
  }
  const modelPrices = () =>
    new Map([
      priceOf({ model: 'claude-opus-5', input: 7 }),
      priceOf({ model: 'claude-opus-5', accountId: 'a', input: 3 }),
      priceOf({ model: 'my-deployment', input: 9 }),
    ])
  const pricer = createPricer({ modelPrices })
  const price = (
    model: string,
    more: { account?: { id: string; costMultiplier: number }; factors?: PriceFactors } = {},
  ) => {
    const priced = pricer.priceUsage({ provider: 'anthropic', model, usage, atMs, ...more })
    if (priced === 'unpriced') return priced
    return [priced.card.source, priced.costNanoUsd, priced.listCostNanoUsd, priced.model]
  }

  it('is: the price of the account, of the model, of the overlay, of the list, none', () => {
    const a = { id: 'a', costMultiplier: 0.5 }
    const b = { id: 'b', costMultiplier: 0.5 }
    expect(price('claude-opus-5', { account: a })).toEqual([
      ...['account', 3_000_000, 3_000_000, 'claude-opus-5'],
    ])
    expect(price('claude-opus-5', { account: b })).toEqual([
      ...['model', 3_500_000, 7_000_000, 'claude-opus-5'],
    ])
    expect(price('claude-mythos-5')).toEqual([
      ...['overlay', 10_000_000, 10_000_000, 'claude-mythos-5'],
    ])
    expect(price('claude-opus-4-8', { account: b })).toEqual([
      ...['list', 2_500_000, 5_000_000, 'claude-opus-4-8'],
    ])
    expect(price('claude-nobody')).toBe('unpriced')
  })

  it('holds for snapshots and longer contexts of a model that an administrator has priced', () => {
    expect(price('Claude-Opus-5[1m]')).toEqual(['model', 7_000_000, 7_000_000, 'Claude-Opus-5[1m]'])
    expect(price('claude-opus-5-20260801')[0]).toBe('model')
  })

  it('is asked for the model that answered', () => {
    const servedModel = 'claude-sonnet-5-5'
    expect(price('claude-opus-5', { factors: { servedModel } })).toEqual([
      ...['overlay', 2_000_000, 2_000_000, servedModel],
    ])
  })

  it('is asked for the model that was asked where what answered has no price, or is the same', () => {
    const asked = (servedModel: string) => price('claude-opus-5', { factors: { servedModel } })[0]
    expect(asked('vendor-internal-name')).toBe('model')
    expect(asked('claude-opus-5-20260801')).toBe('model')
  })

  it('gives an administrator’s price for a name of its own precedence over what answered', () => {
    const factors = { servedModel: 'claude-sonnet-5-5' }
    expect(price('my-deployment', { factors })).toEqual([
      ...['model', 9_000_000, 9_000_000, 'my-deployment'],
    ])
    expect(price('other-deployment', { factors })[0]).toBe('overlay')
  })

  it('ends at the dearest model of the vendor where something limits the cost', () => {
    const input = { model: 'claude-nobody', usage, atMs, isBudgeted: true } as const
    expect(pricer.priceUsage({ provider: 'anthropic', ...input })).toMatchObject({
      costNanoUsd: 25_000_000,
      card: { source: 'dearest', table: 'overlay-2026-11-25 claude-mythos-preview' },
    })
    expect(pricer.priceUsage({ provider: 'openai', ...input })).toMatchObject({
      costNanoUsd: 150_000_000,
      card: { source: 'dearest' },
    })
    const reserved = { provider: 'anthropic', bodyBytes: 4_000, maxTokens: 0, ...input } as const
    expect(pricer.estimateReservation(reserved)).toBe(25_000_000)
  })

  it('reserves what the account multiplies', () => {
    const request = { provider: 'anthropic', bodyBytes: 4_000, maxTokens: 0, atMs } as const
    const account = { id: 'b', costMultiplier: 1.5 }
    const model = 'claude-opus-4-8'
    expect(pricer.estimateReservation({ ...request, model, account })).toBe(7_500_000)
  })

  it('has lines that add up to the list cost exactly', () => {
    const count = fc.nat(200_000)
    fc.assert(
      fc.property(count, count, count, count, (inputTokens, outputTokens, cacheReadTokens, w) => {
        const used = {
          ...noUsage,
          inputTokens,
          outputTokens,
          cacheReadTokens,
          cacheWrite5mTokens: w,
        }
        const factors = { inferenceGeo: 'us', serviceTier: 'batch' }
        const model = 'claude-haiku-5-5'
        const priced = pricer.priceUsage({
          provider: 'anthropic',
          model,
          usage: used,
          factors,
          atMs,
        })
        if (priced === 'unpriced') throw new Error('unpriced')
        const sum = priced.lines.reduce((total, line) => total + line.costNanoUsd, 0)
        expect(sum).toBe(priced.listCostNanoUsd)
        expect(priced.lines.every((line) => Number.isSafeInteger(line.costNanoUsd))).toBe(true)
      }),
      runs(200),
    )
  })
})
