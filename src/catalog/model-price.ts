/** A price that an administrator has set: of a model, for every account or for one. */
import { z } from '@hono/zod-openapi'

const usd = z.number().min(0).max(100_000)
const orInput = (description: string) =>
  usd
    .nullable()
    .default(null)
    .openapi({ description: `${description}; null = as input` })

const rates = {
  input: usd.openapi({ description: 'USD per million tokens' }),
  output: usd,
  cacheRead: orInput('Read from the cache'),
  cacheWrite5m: orInput('Written to the cache for 5 minutes, or for no time that is named'),
  cacheWrite1h: orInput('Written for one hour'),
  cacheWrite30m: orInput('Written for 30 minutes'),
  cacheWrite12h: orInput('Written for 12 hours'),
}

export const ModelPriceInput = z.strictObject({
  model: z.string().trim().min(1).max(200).openapi({
    description: 'As the upstream is asked; `[1m]` and the case do not matter',
  }),
  accountId: z.string().trim().min(1).max(64).nullable().default(null).openapi({
    description:
      'Only on this account, whose multiplier then does not count; null = on every account',
  }),
  ...rates,
  webSearch: usd.default(0).openapi({ description: 'USD per 1,000 searches' }),
  longContext: z
    .strictObject({ aboveInputTokens: z.int().min(1).max(100_000_000), ...rates })
    .nullable()
    .default(null)
    .openapi({
      description: 'The prices of a whole request with more input than that, cache included',
    }),
  note: z.string().trim().max(500).default('').openapi({ description: 'Such as where it is from' }),
})
export type ModelPriceInput = z.infer<typeof ModelPriceInput>

/** What the store holds. */
export interface ModelPrice extends ModelPriceInput {
  id: string
  updatedAt: string
}

/** Prices by `modelPriceName`. */
export type ModelPrices = ReadonlyMap<string, ModelPrice>

/** The name of a price: it is unique, and what prices are looked up by. */
export const modelPriceName = (model: string, accountId: string | null): string =>
  `${accountId ?? ''}|${model}`

/** The fields of the pool's hash that hold prices begin so. */
export const priceField = 'price:'

const Stored = ModelPriceInput.loose().extend({ id: z.string(), updatedAt: z.string() })

/** Reads a stored price; undefined for a damaged one. */
export function readModelPrice(value: unknown): ModelPrice | undefined {
  return Stored.safeParse(value).data
}
