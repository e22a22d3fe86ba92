/** Tries an account with one tiny real request that nobody is charged for in the books. */
import { z } from '@hono/zod-openapi'
import { type Account, upstreamModel } from '../../catalog/account.ts'
import { openProxy, proxyUnsupported } from '../../catalog/proxy.ts'
import { anthropic } from '../../dialects/anthropic.ts'
import { upstreamHeaders } from '../../dialects/headers.ts'
import type { Gateway } from '../../gateway.ts'
import { parseJson } from '../../json.ts'
import { readMessage } from '../../relay/request/body.ts'
import type { OutboundProxy } from '../../runtime.ts'
import { redact } from './redact.ts'

export const Trial = z
  .object({
    ok: z.boolean(),
    status: z.int().nullable().openapi({ description: "The upstream's; null without an answer" }),
    latencyMs: z.int(),
    message: z.string().openapi({ description: "The upstream's own, where it has one" }),
  })
  .openapi('AccountTrial', {
    example: { ok: false, status: 401, latencyMs: 180, message: 'invalid x-api-key' },
  })
export type Trial = z.infer<typeof Trial>

type Verdict = Omit<Trial, 'latencyMs'>

const maxAnswerBytes = 256 * 1024

/** What an account is asked for when neither the caller nor its settings name a model. */
const defaultModels = { 'claude-console': 'claude-haiku-4-5', codex: 'gpt-5-mini' } as const

/**
 * Sends the request with the account's own credential and headers. Never throws for what the upstream
 * does; health and books stay as they are.
 */
export async function tryAccount(
  gateway: Gateway,
  account: Account,
  options: { model?: string; timeoutMs?: number } = {},
): Promise<Trial> {
  const { model = firstModel(account), timeoutMs = 30_000 } = options
  const { runtime } = gateway
  const startedMs = runtime.now()
  const after = (verdict: Verdict): Trial => ({
    ...verdict,
    latencyMs: Math.max(0, Math.round(runtime.now() - startedMs)),
  })
  const failed = (message: string): Verdict => ({ ok: false, status: null, message })
  const asked = upstreamModel(account, model)
  if (asked === undefined) return after(failed(`The account does not support the model "${model}"`))
  const opened = openCredentials(gateway, account)
  if ('fault' in opened) return after(failed(opened.fault))
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(), timeoutMs)
  try {
    const { url, init } = buildRequest(account, opened, asked)
    const response = await runtime.fetch(url, { ...init, signal: late.signal })
    const body = await readMessage(response, maxAnswerBytes)
    const verdict = judge(account, response, new TextDecoder().decode(body))
    return after({ ...verdict, message: redact(verdict.message, account.apiUrl, opened) })
  } catch (error) {
    if (late.signal.aborted) {
      return after(failed(`The upstream did not answer within ${timeoutMs / 1000} s`))
    }
    const way = opened.proxy ? ' through the proxy' : ''
    return after(failed(`The connection to the upstream${way} failed${reasonOf(error)}`))
  } finally {
    clearTimeout(timer)
  }
}

function firstModel({ supportedModels, platform }: Account): string {
  const names = Array.isArray(supportedModels) ? supportedModels : Object.keys(supportedModels)
  return names[0] ?? defaultModels[platform]
}

/** What an account is called with, in plain text. */
interface Opened {
  credential: string
  proxy: OutboundProxy | undefined
}

function openCredentials(
  { runtime, sealer }: Gateway,
  { id, sealedApiKey, proxy }: Account,
): Opened | { fault: string } {
  if (proxy && !runtime.canProxy) return { fault: proxyUnsupported }
  let fault = 'The stored credential cannot be read; set apiKey again'
  try {
    const credential = sealer.unseal(sealedApiKey, id)
    fault = 'The stored password of the proxy cannot be read; set proxy again'
    return { credential, proxy: openProxy(proxy, sealer, id) }
  } catch {
    return { fault }
  }
}

function buildRequest(account: Account, { credential, proxy }: Opened, model: string) {
  const isCodex = account.platform === 'codex'
  const base = account.apiUrl.replace(/\/+$/, '')
  const responsesUrl = base.endsWith('/responses') ? base : `${base}/responses`
  const own = new Headers({ 'content-type': 'application/json', accept: 'application/json' })
  if (!isCodex) own.set('anthropic-version', '2023-06-01')
  const headers = upstreamHeaders(own, account.userAgent)
  anthropic.authorize(headers, credential)
  const messages = [{ role: 'user', content: 'hi' }]
  // 16 is the least that the Responses API takes.
  const body = isCodex
    ? { model, input: messages, max_output_tokens: 16, store: false }
    : { model, max_tokens: 1, messages }
  return {
    url: isCodex ? responsesUrl : anthropic.endpoint(account.apiUrl),
    init: {
      method: 'POST',
      headers,
      body: new TextEncoder().encode(JSON.stringify(body)),
      redirect: 'manual' as const,
      ...(proxy && { via: { accountId: account.id, proxy } }),
    },
  }
}

const AnswerBody = z.object({ type: z.string().optional(), object: z.string().optional() })
const ErrorBody = z.object({
  error: z.union([z.string(), z.object({ message: z.string() })]).optional(),
  message: z.string().optional(),
  detail: z.string().optional(),
})

function judge({ platform }: Account, response: Response, text: string): Verdict {
  const { status } = response
  const json = parseJson(text)
  const isSuccess = status >= 200 && status < 300
  const answer = AnswerBody.safeParse(json).data
  const isAnswer = platform === 'codex' ? answer?.object === 'response' : answer?.type === 'message'
  if (isSuccess && isAnswer) return { ok: true, status, message: 'The account answered' }
  const { error, message, detail } = ErrorBody.safeParse(json).data ?? {}
  const said = typeof error === 'string' ? error : (error?.message ?? message ?? detail)
  if (said !== undefined && said.trim() !== '') return { ok: false, status, message: said.trim() }
  const type = (response.headers.get('content-type') ?? 'no content-type').split(';')[0] ?? ''
  const what = json === undefined ? `${type}, not JSON` : 'JSON that is no answer of this vendor'
  const hint = isSuccess || json === undefined ? '; check apiUrl' : ''
  return { ok: false, status, message: `The upstream answered ${status} with ${what}${hint}` }
}

/** The code that the host's network layer gives an error, such as ECONNREFUSED; nothing of its text. */
function reasonOf(error: unknown): string {
  const Coded = z.object({ code: z.string().regex(/^[A-Z][A-Z0-9_]{2,60}$/) })
  const cause = error instanceof Error ? error.cause : undefined
  const code = Coded.safeParse(error).data?.code ?? Coded.safeParse(cause).data?.code
  return code === undefined ? '' : ` (${code})`
}
