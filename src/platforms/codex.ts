/** Codex: accounts of the OpenAI Responses API, or of a relay that speaks it. */
import { z } from 'zod'
import { setCredential } from './credential.ts'
import { classifyAnswer, classifyErrorEvent } from './failures/classify.ts'
import type { Platform } from './platform.ts'
import { bodyOf, operationUrl } from './request-parts.ts'

const paths = {
  responses: '/responses',
  responses_compact: '/responses/compact',
  chat_completions: '/chat/completions',
  input_tokens: '/responses/input_tokens',
  stored_response: '/responses',
}
const TrialAnswer = z.object({ object: z.literal('response') })

export const codex: Platform = {
  id: 'codex',
  poolId: 'codex',
  permission: 'codex',
  boundAccountField: 'codexAccountId',
  priceProvider: 'openai',

  buildRequest(call) {
    const { account, credential, operation, method, subpath, headers, search } = call
    setCredential(headers, account, credential, 'authorization')
    const url = operationUrl(account.apiUrl, paths, operation) + subpath + search
    return { url, method, headers, body: bodyOf(call) }
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
