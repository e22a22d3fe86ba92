/** Codex: accounts of the OpenAI Responses API, or of a relay that speaks it. */
import { z } from 'zod'
import { classifyAnswer, classifyErrorEvent } from './failures/classify.ts'
import type { Platform } from './platform.ts'
import { operationUrl, renameModel } from './request-parts.ts'

const paths = {
  responses: '/responses',
  responses_compact: '/responses/compact',
  chat_completions: '/chat/completions',
}
const TrialAnswer = z.object({ object: z.literal('response') })

export const codex: Platform = {
  id: 'codex',
  poolId: 'codex',
  permission: 'codex',
  boundAccountField: 'codexAccountId',
  priceProvider: 'openai',

  buildRequest({ account, credential, operation, headers, search, body, upstreamModel }) {
    headers.set('authorization', `Bearer ${credential}`)
    const url = operationUrl(account.apiUrl, paths, operation) + search
    return { url, method: 'POST', headers, body: renameModel(body, upstreamModel) }
  },

  classifyAnswer,
  classifyErrorEvent,

  defaultTrialModel: 'gpt-5-mini',
  trialRequest: (model) => ({
    operation: 'responses',
    headers: new Headers(),
    body: {
      model,
      input: [{ role: 'user', content: 'hi' }],
      // The least that the Responses API takes.
      max_output_tokens: 16,
      store: false,
    },
  }),
  isTrialAnswer: (json) => TrialAnswer.safeParse(json).success,
}
