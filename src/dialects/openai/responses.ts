/** The dialect of OpenAI Responses. */
import { GatewayError } from '../../errors.ts'
import type { Dialect, RequestFields } from '../dialect.ts'
import { commonHeaderRules } from '../headers.ts'
import { openaiLimits } from '../limit-headers.ts'
import { errorResponse, socketError } from './errors.ts'
import { errorEvent, refusalEvent } from './responses-events.ts'
import { createFold } from './responses-fold.ts'
import { unfold } from './responses-unfold.ts'
import { createUsageReader } from './responses-usage.ts'

export const openaiResponses: Dialect = {
  id: 'openai-responses',
  headerRules: commonHeaderRules,
  createUsageReader,
  errorResponse,
  errorEvent,
  socketError,
  refusalEvent,
  limitHeaders: openaiLimits,
  createFold,
  unfold,
  adapt: refuseBackground,
}

/** The usage of a response in the background would only show in a later poll, and could not be charged. */
function refuseBackground(body: Uint8Array, request: RequestFields): undefined {
  const background = request.span('background')
  if (!background) return undefined
  const { start, end } = background
  if (end - start !== 'true'.length || body[start] !== 't'.charCodeAt(0)) return undefined
  const message = 'must not be true: this gateway does not relay responses in the background'
  throw new GatewayError('invalid_request', `The field "background" ${message}`, {
    issues: [{ field: 'background', message }],
  })
}
