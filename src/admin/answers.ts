/** What the routes of the administration API share in their answers, as schemas that document them. */
import { z } from '@hono/zod-openapi'

const ErrorBody = z
  .object({
    error: z.object({
      code: z.string().openapi({ description: 'Stable, for programs' }),
      message: z.string(),
      issues: z.array(z.object({ field: z.string(), message: z.string() })).optional(),
    }),
  })
  .openapi('Error')

/** A JSON answer of this shape. */
export const answer = <Schema extends z.ZodType>(schema: Schema, description: string) => ({
  content: { 'application/json': { schema } },
  description,
})

/** The same of one record, with the tag of its revision. */
export const tagged = <Schema extends z.ZodType>(schema: Schema, description: string) => ({
  ...answer(schema, description),
  headers: { ETag: { description: 'For `If-Match`', schema: { type: 'string' as const } } },
})

/** The tag of a revision. */
export const etag = (revision: number): string => `"${revision}"`

/** One page of a list of these. */
export const pageOf = <Schema extends z.ZodType>(schema: Schema) =>
  z.object({
    data: z.array(schema),
    nextCursor: z.string().nullable().openapi({ description: 'null on the last page' }),
  })

/** The refusals, by status. */
export const refused = {
  400: answer(ErrorBody, 'The input is wrong; `issues` names each field'),
  401: answer(ErrorBody, 'The credentials are missing, wrong or no longer valid'),
  403: answer(ErrorBody, 'The caller lacks the permission that `x-permission` names'),
  404: answer(ErrorBody, 'There is no such record'),
  409: answer(ErrorBody, 'The record was changed meanwhile, or its state does not allow this'),
  503: answer(ErrorBody, 'The store cannot be reached'),
} as const
