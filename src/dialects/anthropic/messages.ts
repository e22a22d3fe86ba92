/** The dialect of Anthropic Messages. */

import type { Dialect } from '../dialect.ts'
import { commonHeaderRules } from '../headers.ts'
import { anthropicLimits } from '../limit-headers.ts'
import { errorEvent, errorResponse, refusalEvent } from './errors.ts'
import { createFold } from './fold.ts'
import { unfold } from './unfold.ts'
import { createUsageReader } from './usage.ts'

export const anthropic: Dialect = {
  id: 'anthropic',
  headerRules: commonHeaderRules,
  createUsageReader,
  errorResponse,
  errorEvent,
  refusalEvent,
  limitHeaders: anthropicLimits,
  createFold,
  unfold,
}
