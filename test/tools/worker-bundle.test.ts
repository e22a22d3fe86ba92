import { gzipSync } from 'node:zlib'
import { calcPrice, findProvider } from '@pydantic/genai-prices'
import { describe, expect, it } from 'vitest'
import { buildWorker } from '../hosts/worker-build.ts'
import { has } from '../support/lanes.ts'

const tools = '../../src/tools/worker'

describe('the price list of the Worker', () => {
  it.each(['anthropic', 'openai'])(
    'prices every model of %s as the whole list does',
    async (id) => {
      await import(`${tools}/slim-prices.mjs`)
      const slim = await import(new URL('../../.wrangler/bundle/prices.js', import.meta.url).href)
      const usage = {
        input_tokens: 300_000,
        cache_read_tokens: 1_000,
        cache_write_tokens: 3_000,
        cache_write_1h_tokens: 2_000,
        output_tokens: 500,
        web_searches: 2,
      }
      const models = findProvider({ providerId: id })?.models ?? []
      expect(models.length).toBeGreaterThan(10)
      for (const model of [...models.map((info) => info.id), 'claude-unknown', 'gpt-unknown']) {
        for (const year of ['2023', '2024', '2025', '2026', '2027']) {
          const options = { providerId: id, timestamp: new Date(`${year}-07-01T12:00:00Z`) }
          const priceBy = (calculate: typeof calcPrice) => {
            try {
              return calculate(usage, model, options)?.total_price
            } catch (error) {
              return String(error)
            }
          }
          expect([model, priceBy(slim.calcPrice)]).toEqual([model, priceBy(calcPrice)])
        }
      }
    },
  )
})

describe.runIf(has('workerd'))('the bundle of the Worker', () => {
  it('has at most 345 KiB when it is gzipped as it is', async () => {
    const { script } = await buildWorker()
    expect(gzipSync(script).byteLength / 1024).toBeLessThanOrEqual(345)
  })
})
