/** The dialect of Anthropic Messages. */
import { errorEvent, errorResponse, refusalEvent } from './anthropic-errors.ts'
import { createFold } from './anthropic-fold.ts'
import { unfold } from './anthropic-unfold.ts'
import { createUsageReader } from './anthropic-usage.ts'
import type { Dialect } from './dialect.ts'
import { commonHeaderRules } from './headers.ts'
import { anthropicLimits } from './limit-headers.ts'

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
