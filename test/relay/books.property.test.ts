/**
 * The books equal the upstream's own count, for every route of both vendors and however an answer ends: what
 * was reported is charged exactly, what was cut is charged and flagged, what was refused or is not metered
 * is not charged, and nothing stays reserved.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createKeyspace } from '../../src/store/keyspace.ts'
import { decodeLoad } from '../../src/store/records/load.ts'
import { createTestAdmin, createTestGateway, type TestGateway } from '../support/gateway.ts'
import { chatCompletion, responsesJson, responsesStream } from '../support/openai.ts'
import { runs } from '../support/property.ts'
import {
  anthropicJson,
  anthropicStream,
  type Behaviour,
  json,
  reset,
  startUpstream,
  type Upstream,
} from '../support/upstream.ts'

/** One request, and what its upstream does. */
interface Given {
  route: 'messages' | 'responses' | 'compact' | 'chat' | 'count_tokens' | 'input_tokens'
  stream: boolean
  /** Of a chat stream: whether the client asks for its usage. */
  asksForUsage: boolean
  ending: 'completed' | 'incomplete' | 'failed' | 'cut' | 'refused'
  /** What the first account answers before the second is asked. */
  before: 'nothing' | 'reset' | '503' | '429' | '529'
  input: number
  cached: number
  written: number
  output: number
}

const given: fc.Arbitrary<Given> = fc.record({
  route: fc.constantFrom(
    'messages',
    'responses',
    'compact',
    'chat',
    'count_tokens',
    'input_tokens',
  ),
  stream: fc.boolean(),
  asksForUsage: fc.boolean(),
  ending: fc.constantFrom('completed', 'completed', 'incomplete', 'failed', 'cut', 'refused'),
  before: fc.constantFrom('nothing', 'nothing', 'reset', '503', '429', '529'),
  input: fc.nat(100_000),
  cached: fc.nat(50_000),
  written: fc.nat(50_000),
  output: fc.integer({ min: 1, max: 60 }),
})

let upstream: Upstream
let test: TestGateway
let admin: ReturnType<typeof createTestAdmin>

beforeAll(async () => {
  upstream = await startUpstream()
  test = createTestGateway({
    config: { ACCOUNT_WAIT_SECONDS: '0', SOLE_ACCOUNT_RETRY_SECONDS: '0' },
  })
  admin = createTestAdmin(test)
})
afterAll(async () => {
  await test.close()
  await upstream.close()
})

const paths = {
  messages: '/v1/messages',
  responses: '/openai/v1/responses',
  compact: '/openai/v1/responses/compact',
  chat: '/openai/v1/chat/completions',
  count_tokens: '/v1/messages/count_tokens',
  input_tokens: '/openai/v1/responses/input_tokens',
}
const isAnthropic = ({ route }: Given) => route === 'messages' || route === 'count_tokens'
const isMetered = ({ route }: Given) => !route.endsWith('_tokens')
const wantsStream = ({ route, stream }: Given) =>
  stream && isMetered({ route } as Given) && route !== 'compact'
const refusal = json(400, {
  type: 'error',
  error: { type: 'invalid_request_error', message: 'No' },
})

function firstAnswer({ before }: Given): Behaviour[] {
  if (before === 'nothing') return []
  return [before === 'reset' ? reset() : json(Number(before), {})]
}

function answer(request: Given): Behaviour {
  const { route, ending, input, cached, written, output } = request
  if (!isMetered(request)) return json(200, { input_tokens: input })
  if (ending === 'refused') return refusal
  if (route === 'messages') {
    const usage = {
      input_tokens: input,
      cache_read_input_tokens: cached,
      cache_creation_input_tokens: written,
      output_tokens: output,
    }
    if (!wantsStream(request)) return anthropicJson({ usage })
    return anthropicStream({ usage, ...(ending === 'cut' && { cutAfterEvents: 5 }) })
  }
  const whole = { input: input + cached + written, cached, written, output, reasoning: 0 }
  if (route === 'compact') {
    return json(200, {
      object: 'response.compaction',
      output: [],
      usage: { input_tokens: input, output_tokens: output },
    })
  }
  if (route === 'chat') return chatCompletion({ usage: whole })
  if (!wantsStream(request)) return responsesJson({ usage: whole })
  return responsesStream({ usage: whole, ending })
}

/** What has to be in the books of the key that asked. */
function expected(request: Given): Record<string, unknown> {
  const { route, ending, input, cached, written, output } = request
  const nothing = { requests: 0, inputTokens: 0, outputTokens: 0, costUsd: 0, estimatedRequests: 0 }
  if (!isMetered(request) || ending === 'refused') return nothing
  const isCut = ending === 'cut' && wantsStream(request) && route !== 'chat'
  if (isCut) return { requests: 1, estimatedRequests: 1 }
  if (route === 'compact') return { requests: 1, inputTokens: input, outputTokens: output }
  return {
    requests: 1,
    inputTokens: input,
    cacheReadTokens: cached,
    cacheCreateTokens: written,
    outputTokens: output,
    estimatedRequests: 0,
  }
}

async function ask(request: Given, key: string): Promise<Response> {
  const { route, asksForUsage } = request
  const stream = wantsStream(request)
  const body = {
    model: isAnthropic(request) ? 'claude-sonnet-4-6' : 'gpt-5',
    ...(isAnthropic(request) || route === 'chat'
      ? { messages: [], max_tokens: 64 }
      : { input: 'hi' }),
    ...(stream && { stream }),
    ...(stream && route === 'chat' && asksForUsage && { stream_options: { include_usage: true } }),
  }
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  const init = { method: 'POST', headers, body: JSON.stringify(body) }
  return test.app.request(paths[route], init)
}

async function nothingIsReserved(keyId: string): Promise<void> {
  const keyspace = createKeyspace('crs:')
  const { redis } = test.runtime
  for (const poolId of ['claude-console', 'codex']) {
    const loads = ((await redis.hgetall(keyspace.load(poolId))) ?? []) as unknown as string[]
    for (let i = 1; i < loads.length; i += 2) {
      expect(decodeLoad(loads[i])).toMatchObject({ inflight: 0, reservedNanoUsd: 0 })
    }
    expect(await redis.zcard(keyspace.poolLeases(poolId))).toBe(0)
  }
  const held = await redis.hget(keyspace.keyCounters(keyId), 'heldNanoUsd')
  expect(Number(held ?? 0)).toBe(0)
}

it('the books equal what the upstream counted, whatever the route and the ending', async () => {
  let count = 0
  await fc.assert(
    fc.asyncProperty(given, async (request) => {
      // Accounts of its own, so that no cooldown of a run before is in the way.
      count++
      const platform = isAnthropic(request) ? 'claude-console' : 'codex'
      const ids: string[] = []
      for (const name of ['a', 'b']) {
        const apiUrl = isAnthropic(request) ? upstream.url : `${upstream.url}/v1`
        const apiKey = `sk-ant-${count}-${name}`
        ids.push((await admin.createAccount({ name, apiUrl, apiKey }, platform)).id)
      }
      upstream.respond(...firstAnswer(request), answer(request))
      const { id, key } = await admin.createKey()
      await (await ask(request, key)).text()
      await test.deferred()
      const { total } = (await admin.call('GET', `/keys/${id}/stats`)).json
      expect(total).toMatchObject(expected(request))
      await nothingIsReserved(id)
      for (const account of ids) await admin.call('DELETE', `/accounts/${platform}/${account}`)
    }),
    runs(60),
  )
})
