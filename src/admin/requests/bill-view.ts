/** What the administration API shows of how a request's cost was found. */
import { z } from '@hono/zod-openapi'
import { type Bill, priceSources, rateFields } from '../../domain/bill.ts'
import { toUsd } from '../../money.ts'

const Line = z
  .object({
    kind: z.enum(rateFields),
    units: z.int().min(0).openapi({ description: 'Tokens, or searches' }),
    rate: z.number().nullable().openapi({
      description:
        'USD per million tokens or per 1,000 searches, before factors; null without a price',
    }),
    costUsd: z.number().openapi({ description: 'At list price, factors included' }),
  })
  .openapi('BillLine')

const Part = z
  .object({
    model: z.string().openapi({ description: 'The model whose price counted' }),
    source: z
      .enum(priceSources)
      .nullable()
      .openapi({
        description:
          'Who says the price: an administrator for this `account` or for the `model`, the `overlay` or the ' +
          '`list` of this version, or the `dearest` model of the vendor; null without a price',
      }),
    table: z.string().nullable().openapi({ description: 'The version of that table' }),
    isFast: z.boolean().openapi({ description: 'The rates are those of the fast mode' }),
    percents: z.array(z.number()).openapi({ description: 'Factors on all tokens, in percent' }),
    multiplier: z.number().openapi({ description: 'Of the account, on the whole' }),
    lines: z.array(Line),
  })
  .openapi('BillPart')

export const BillView = z
  .object({
    listCostUsd: z.number().openapi({ description: 'Before the multiplier of the account' }),
    factors: z
      .object({
        serviceTier: z.string().optional(),
        servedModel: z.string().optional(),
        speed: z.string().optional(),
        inferenceGeo: z.string().optional(),
      })
      .openapi({ description: 'As the answer named them' }),
    parts: z.array(Part).openapi({ description: 'One for each model that has used something' }),
  })
  .openapi('Bill')

/** A bill as it is shown; null where there is none. */
export function shownBill(bill: Bill | null): z.infer<typeof BillView> | null {
  if (!bill) return null
  const { listCostNanoUsd, factors, parts } = bill
  return {
    listCostUsd: toUsd(listCostNanoUsd),
    factors,
    parts: parts.map(({ lines, ...part }) => ({
      model: part.model,
      source: part.source ?? null,
      table: part.table ?? null,
      isFast: part.isFast ?? false,
      percents: part.percents ?? [],
      multiplier: part.multiplier ?? 1,
      lines: lines.map(({ costNanoUsd, ...line }) => ({ ...line, costUsd: toUsd(costNanoUsd) })),
    })),
  }
}
