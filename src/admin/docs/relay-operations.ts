/** The documented operations of the relay: what each takes and answers, in the envelope of its dialect. */
import { type OpenAPIHono, z } from '@hono/zod-openapi'
import type { Operation } from '../../domain/operation.ts'
import type { RelayRoute } from '../../relay/routes.ts'

type Registry = OpenAPIHono['openAPIRegistry']

const passedOn = 'As the vendor defines it; passed on byte for byte. The gateway reads `model`.'
const asSent = 'As the vendor defines it; passed on byte for byte'

const MessagesRequest = z
  .looseObject({
    model: z.string(),
    max_tokens: z.int().optional(),
    messages: z.array(z.unknown()).optional(),
    stream: z.boolean().optional(),
  })
  .openapi('MessagesRequest', {
    description: passedOn,
    example: {
      model: 'claude-sonnet-4-5',
      max_tokens: 64,
      messages: [{ role: 'user', content: 'hi' }],
    },
  })
const Message = z
  .looseObject({ type: z.literal('message') })
  .openapi('Message', { description: asSent })
const MessagesError = z
  .object({
    type: z.literal('error'),
    error: z.looseObject({ type: z.string(), message: z.string() }),
    request_id: z.string().optional(),
  })
  .openapi('MessagesError', {
    example: {
      type: 'error',
      error: { type: 'authentication_error', message: 'This gateway key is not known' },
      request_id: '019ac000-0000-7000-8000-000000000000',
    },
  })

const ResponsesRequest = z
  .looseObject({ model: z.string(), input: z.unknown().optional(), stream: z.boolean().optional() })
  .openapi('ResponsesRequest', {
    description: `${passedOn} \`background\` must not be true.`,
    example: { model: 'gpt-5-mini', input: 'hi' },
  })
const OpenAiResponse = z
  .looseObject({ object: z.enum(['response', 'response.compaction']) })
  .openapi('Response', { description: asSent })
const ChatRequest = z
  .looseObject({
    model: z.string(),
    messages: z.array(z.unknown()).optional(),
    stream: z.boolean().optional(),
  })
  .openapi('ChatCompletionRequest', {
    description: passedOn,
    example: { model: 'gpt-5-mini', messages: [{ role: 'user', content: 'hi' }] },
  })
const ChatCompletion = z
  .looseObject({ choices: z.array(z.unknown()) })
  .openapi('ChatCompletion', { description: asSent })
const OpenAiError = z
  .object({
    error: z.looseObject({
      message: z.string(),
      type: z.string().nullish(),
      param: z.string().nullish(),
      code: z.string().nullish(),
    }),
  })
  .openapi('OpenAiError', {
    example: {
      error: {
        message: 'This gateway key does not exist',
        type: 'invalid_request_error',
        param: null,
        code: 'invalid_api_key',
      },
    },
  })

const TokenCount = z
  .looseObject({ input_tokens: z.number() })
  .openapi('TokenCount', { description: asSent })
const StoredAnswer = z.looseObject({}).openapi('StoredAnswer', { description: asSent })

interface Documented {
  summary: string
  /** Undefined: it takes no body. */
  request?: z.ZodType
  answer: z.ZodType
  /** Further statuses of its errors. */
  errors?: Record<number, string>
}
const notCharged = 'not charged, and counted by no limit'
const notOffered = { 501: 'No account offers it' }

const documented: Record<Operation, Documented> = {
  messages: {
    summary: 'Create a message (Anthropic Messages API)',
    request: MessagesRequest,
    answer: Message,
  },
  responses: {
    summary: 'Create a response (OpenAI Responses API)',
    request: ResponsesRequest,
    answer: OpenAiResponse,
  },
  responses_compact: {
    summary: 'Compact a conversation (OpenAI Responses API)',
    request: ResponsesRequest,
    answer: OpenAiResponse,
  },
  chat_completions: {
    summary: 'Create a chat completion (OpenAI Chat Completions API)',
    request: ChatRequest,
    answer: ChatCompletion,
  },
  count_tokens: {
    summary: `Count the tokens of a message (Anthropic Messages API); ${notCharged}`,
    request: MessagesRequest,
    answer: TokenCount,
    errors: notOffered,
  },
  input_tokens: {
    summary: `Count the tokens of a response (OpenAI Responses API); ${notCharged}`,
    request: ResponsesRequest,
    answer: TokenCount,
    errors: notOffered,
  },
  stored_response: {
    summary: `Read, cancel or delete a response by its id, or list its input; ${notCharged}`,
    answer: StoredAnswer,
    errors: { 404: 'This gateway key made no such response, or its account is gone' },
  },
}

const common = {
  400: 'Not JSON, no model, a duplicated field, or what the upstream says of the request',
  401: 'The gateway key is unknown, deleted, disabled or expired',
  403: 'The gateway key lacks the permission',
  413: 'The body is too large',
  415: 'The body is not JSON, or compressed in a way that the host cannot undo',
  429: 'A limit of the key, or of every account; `retry-after` says how long to wait',
}
const noAccount =
  'Every account failed, is recovering or is refused by its vendor, none is configured for the model, the store is out of reach, or the gateway is starting'

/** By dialect: its envelope, and the statuses that its clients get. */
const errorsOf: Record<string, { envelope: z.ZodType; statuses: Record<number, string> }> = {
  anthropic: {
    envelope: MessagesError,
    statuses: {
      ...common,
      502: 'No account gave a usable answer',
      503: noAccount,
      504: 'The upstream took too long',
      529: 'Every account is overloaded',
    },
  },
  'openai-responses': { envelope: OpenAiError, statuses: { ...common, 503: noAccount } },
  'openai-chat': { envelope: OpenAiError, statuses: { ...common, 503: noAccount } },
}

const json = (schema: z.ZodType, description: string) => ({
  description,
  content: { 'application/json': { schema } },
})

const methods = { POST: 'post', GET: 'get', DELETE: 'delete' } as const

/** Registers one route of the relay; the schemes of its keys are registered elsewhere. */
export function registerRelayOperation(registry: Registry, route: RelayRoute): void {
  const { dialect, operation } = route
  const { summary, request, answer, errors: further } = documented[operation]
  const errors = errorsOf[dialect.id]
  const hasId = route.path.includes(':id')
  const refusals = Object.entries({ ...errors?.statuses, ...further }).map(([status, text]) => [
    status,
    json(errors?.envelope ?? OpenAiError, text),
  ])
  registry.registerPath({
    method: methods[route.method ?? 'POST'],
    path: route.path.replace(':id', '{id}'),
    tags: ['Relay'],
    summary,
    description: 'Relayed to the best account. Errors speak the protocol of the vendor.',
    security: [{ GatewayKey: [] }, { GatewayBearer: [] }],
    request: {
      ...(hasId && { params: z.object({ id: z.string() }) }),
      ...(request && {
        body: { required: true, content: { 'application/json': { schema: request } } },
      }),
    },
    responses: {
      200: {
        description: 'The answer, or with `stream` its events, as the upstream sent them',
        content: {
          'application/json': { schema: answer },
          'text/event-stream': { schema: z.string() },
        },
      },
      ...Object.fromEntries(refusals),
    },
  })
}
