/** Claude Console: accounts with an API key of Anthropic, or of a relay that speaks its Messages API. */
import { z } from 'zod'
import { setCredential } from './credential.ts'
import { classifyAnswer, classifyErrorEvent } from './failures/classify.ts'
import type { Platform } from './platform.ts'
import { bodyOf, operationUrl } from './request-parts.ts'

const paths = { messages: '/v1/messages', count_tokens: '/v1/messages/count_tokens' }
const TrialAnswer = z.object({ type: z.literal('message') })

export const claudeConsole: Platform = {
  id: 'claude-console',
  poolId: 'claude-console',
  permission: 'claude',
  boundAccountField: 'claudeConsoleAccountId',
  priceProvider: 'anthropic',

  buildRequest(call) {
    const { account, credential, operation, method, subpath, headers, search } = call
    // Relays take their keys as bearer tokens.
    const auto = credential.startsWith('sk-ant-') ? 'x-api-key' : 'authorization'
    setCredential(headers, account, credential, auto)
    const url = operationUrl(account.apiUrl, paths, operation) + subpath + search
    return { url, method, headers, body: bodyOf(call) }
  },

  classifyAnswer,
  classifyErrorEvent,

  defaultTrialModel: 'claude-haiku-4-5',
  trialRequest: (model) => ({
    operation: 'messages',
    headers: new Headers({ 'anthropic-version': '2023-06-01' }),
    body: { model, max_tokens: 1, messages: [{ role: 'user', content: 'hi' }] },
  }),
  isTrialAnswer: (json) => TrialAnswer.safeParse(json).success,
}
