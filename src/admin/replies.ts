/** Replies of the store as the verbs read them: checked, as the client cannot know their types. */
import { z } from 'zod'

/** Values, null where there is none; a missing record is an empty list. */
export const Values = z
  .array(z.string().nullable())
  .nullable()
  .transform((values) => values ?? [])

/** A hash as a flat list of fields and values; a missing one is an empty list. */
export const Rows = z
  .array(z.string())
  .nullable()
  .transform((rows) => rows ?? [])
