/** What the administration API shows of prices that an administrator has set. */
import { z } from '@hono/zod-openapi'
import { ModelPriceInput } from '../../catalog/model-price.ts'

export const tags = ['Prices']

const example = {
  model: 'claude-opus-5',
  accountId: null,
  input: 4,
  output: 20,
  cacheRead: 0.4,
  cacheWrite5m: 5,
  cacheWrite1h: 8,
  webSearch: 10,
  note: 'Contract of November 2026',
}

export const PriceInput = ModelPriceInput.openapi('PriceInput', { example })

export const PriceView = z
  .object({
    ...ModelPriceInput.shape,
    id: z.string(),
    updatedAt: z.string().openapi({ description: 'Bills name it as the version of the table' }),
  })
  .openapi('Price')

/** More could not be read with every change of an account. */
export const maxPrices = 500

export const PriceTable = z
  .strictObject({
    version: z.literal(1),
    prices: z.array(ModelPriceInput).max(maxPrices),
  })
  .openapi('PriceTable', { example: { version: 1, prices: [example] } })

export const PriceImport = z
  .strictObject({
    mode: z.enum(['merge', 'replace']).default('merge').openapi({
      description: '`replace` removes every price that the table does not name',
    }),
    ...PriceTable.shape,
  })
  .openapi('PriceImport', { example: { mode: 'merge', version: 1, prices: [example] } })

export const PriceImported = z
  .object({ set: z.int(), unchanged: z.int(), removed: z.int() })
  .openapi('PriceImported')
