/** Behaviours that speak OpenAI's APIs, whole or broken at a chosen event. */
import type { Behaviour, Exchange } from './upstream.ts'

export interface OpenAiUsage {
  input: number
  cached: number
  written: number
  written12h: number
  output: number
  reasoning: number
}

export interface OpenAiScript {
  id?: string
  /** The texts of the deltas. */
  deltas?: string[]
  usage?: Partial<OpenAiUsage>
  /** How the answer ends; by default `completed`. */
  ending?: 'completed' | 'incomplete' | 'failed' | 'error' | 'cut' | 'clean'
  serviceTier?: string
  webSearches?: number
}

const defaultDeltas = ['Hi from', ' mock.']
const whole = (usage: Partial<OpenAiUsage> = {}): OpenAiUsage => ({
  input: 120,
  cached: 100,
  written: 5,
  written12h: 0,
  output: 9,
  reasoning: 4,
  ...usage,
})

const responsesUsage = (usage: OpenAiUsage) => ({
  input_tokens: usage.input,
  input_tokens_details: {
    cached_tokens: usage.cached,
    cache_write_tokens: usage.written + usage.written12h,
    cache_write_tokens_details: {
      ttl_30m_tokens: usage.written,
      ttl_12h_tokens: usage.written12h,
    },
  },
  output_tokens: usage.output,
  output_tokens_details: { reasoning_tokens: usage.reasoning },
  total_tokens: usage.input + usage.output,
})

const chatUsage = (usage: OpenAiUsage) => ({
  prompt_tokens: usage.input,
  completion_tokens: usage.output,
  total_tokens: usage.input + usage.output,
  prompt_tokens_details: { cached_tokens: usage.cached, cache_write_tokens: usage.written },
  completion_tokens_details: { reasoning_tokens: usage.reasoning },
})

function bodyOf({ request }: Exchange): Record<string, unknown> {
  return JSON.parse(request.body.toString())
}

function responseOf(exchange: Exchange, script: OpenAiScript, status: string) {
  const { id = 'resp_mock001', deltas = defaultDeltas, serviceTier = 'default' } = script
  const content = [{ type: 'output_text', text: deltas.join(''), annotations: [] }]
  const item = { type: 'message', id: 'msg_1', role: 'assistant', status: 'completed', content }
  const isOver = status !== 'in_progress'
  return {
    id,
    object: 'response',
    created_at: 1,
    status,
    model: bodyOf(exchange).model,
    service_tier: serviceTier,
    error: status === 'failed' ? { code: 'server_error', message: 'It failed' } : null,
    incomplete_details: status === 'incomplete' ? { reason: 'max_output_tokens' } : null,
    output: isOver ? [item] : [],
    usage: isOver ? responsesUsage(whole(script.usage)) : null,
    tool_usage: { web_search: { num_requests: script.webSearches ?? 0 } },
  }
}

/** Answers with a whole response. */
export const responsesJson =
  (script: OpenAiScript = {}): Behaviour =>
  (exchange) => {
    exchange.response.writeHead(200, { 'content-type': 'application/json' })
    exchange.response.end(JSON.stringify(responseOf(exchange, script, 'completed')))
  }

/** Streams a response, to its end or until the script breaks it off. */
export const responsesStream =
  (script: OpenAiScript = {}): Behaviour =>
  (exchange) => {
    const { response, cut } = exchange
    const { ending = 'completed', deltas = defaultDeltas } = script
    let sequence_number = 0
    const tell = (type: string, fields: object) => {
      const data = JSON.stringify({ type, sequence_number: sequence_number++, ...fields })
      response.write(`event: ${type}\ndata: ${data}\n\n`)
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    tell('response.created', { response: responseOf(exchange, script, 'in_progress') })
    tell('response.in_progress', { response: responseOf(exchange, script, 'in_progress') })
    const at = { item_id: 'msg_1', output_index: 0 }
    const item = { type: 'message', id: 'msg_1', role: 'assistant', content: [] }
    tell('response.output_item.added', {
      output_index: 0,
      item: { ...item, status: 'in_progress' },
    })
    const part = { type: 'output_text', text: '', annotations: [] }
    tell('response.content_part.added', { ...at, content_index: 0, part })
    for (const delta of deltas) {
      tell('response.output_text.delta', { ...at, content_index: 0, delta })
    }
    if (ending === 'cut') return cut('end')
    if (ending === 'clean') return void response.end()
    if (ending === 'error') {
      tell('error', { code: 'server_error', message: 'It failed', param: null })
      return void response.end()
    }
    const [done] = responseOf(exchange, script, ending).output
    tell('response.output_item.done', { output_index: 0, item: done })
    tell(`response.${ending}`, { response: responseOf(exchange, script, ending) })
    response.end()
  }

/** Answers a chat completion in the form that was asked for, with usage in a stream only if asked. */
export const chatCompletion =
  (script: OpenAiScript = {}): Behaviour =>
  (exchange) => {
    const { response } = exchange
    const { deltas = defaultDeltas, serviceTier = 'default' } = script
    const body = bodyOf(exchange)
    const common = { id: 'chatcmpl-mock001', created: 1, model: body.model }
    const fields = { ...common, service_tier: serviceTier }
    const usage = chatUsage(whole(script.usage))
    if (body.stream !== true) {
      const message = { role: 'assistant', content: deltas.join('') }
      const choices = [{ index: 0, message, finish_reason: 'stop' }]
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ ...fields, object: 'chat.completion', choices, usage }))
      return
    }
    const asked = (body.stream_options as { include_usage?: boolean } | undefined)?.include_usage
    const tell = (told: object) => {
      const chunk = { ...fields, object: 'chat.completion.chunk', ...told }
      response.write(`data: ${JSON.stringify(chunk)}\n\n`)
    }
    const empty = asked ? { usage: null } : {}
    const choice = (delta: object, finish_reason: string | null) => ({
      choices: [{ index: 0, delta, finish_reason }],
      ...empty,
    })
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    tell(choice({ role: 'assistant', content: '' }, null))
    for (const content of deltas) tell(choice({ content }, null))
    tell(choice({}, 'stop'))
    if (asked) tell({ choices: [], usage })
    response.end('data: [DONE]\n\n')
  }
