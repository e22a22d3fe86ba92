/** The dialect of OpenAI Chat Completions. */
import type { Dialect } from '../dialect.ts'
import { commonHeaderRules } from '../headers.ts'
import { openaiLimits } from '../limit-headers.ts'
import { errorEvent, refusalEvent } from './chat-events.ts'
import { createFold } from './chat-fold.ts'
import { unfold } from './chat-unfold.ts'
import { createUsageReader } from './chat-usage.ts'
import { errorResponse } from './errors.ts'
import { includeUsage } from './include-usage.ts'

export const openaiChat: Dialect = {
  id: 'openai-chat',
  headerRules: commonHeaderRules,
  createUsageReader,
  errorResponse,
  errorEvent,
  refusalEvent,
  limitHeaders: openaiLimits,
  createFold,
  unfold,
  adapt: includeUsage,
}
