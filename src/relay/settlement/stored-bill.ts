/** Reads the bill that was stored with the trace of a request. */
import { z } from 'zod'
import { type Bill, priceSources, rateFields } from '../../domain/bill.ts'

const word = z.string().optional()

const Stored = z.object({
  listCostNanoUsd: z.int(),
  factors: z.object({
    serviceTier: word,
    servedModel: word,
    speed: word,
    inferenceGeo: word,
  }),
  parts: z.array(
    z.object({
      model: z.string(),
      source: z.enum(priceSources).optional(),
      table: word,
      isFast: z.boolean().optional(),
      percents: z.array(z.number()).optional(),
      multiplier: z.number().optional(),
      lines: z.array(
        z.object({
          kind: z.enum(rateFields),
          units: z.int(),
          rate: z.number().nullable(),
          costNanoUsd: z.int(),
        }),
      ),
    }),
  ),
})

/** Null for one that another version has written in a way that cannot be made out. */
export const storedBill: z.ZodType<Bill | null> = Stored.nullable().catch(null)
