/** Tests an account with one small real request, which is not written to the usage ledger. */
import { z } from '@hono/zod-openapi'
import type { Account } from '../../catalog/account.ts'
import type { AccountSecrets } from '../../catalog/account-secrets.ts'
import { openProxy, proxyUnsupported } from '../../catalog/proxy.ts'
import { listedModels, upstreamModel } from '../../catalog/supported-models.ts'
import { runAtOnce } from '../../dialects/json-scan.ts'
import type { Gateway } from '../../gateway.ts'
import type { HttpAnswer } from '../../http-message.ts'
import { parseJson } from '../../json.ts'
import type { Platform } from '../../platforms/platform.ts'
import { prepareRequest } from '../../platforms/prepare-request.ts'
import { redact, sentenceOf } from '../../relay/attempt/vendor-words.ts'
import { readWhole } from '../../relay/request/body.ts'
import { readHints } from '../../relay/request/hints.ts'

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

/**
 * Sends the trial request of the account's platform. Never throws for what the upstream does; health
 * and usage ledger stay as they are.
 */
export async function tryAccount(
  gateway: Gateway,
  account: Account,
  options: { model?: string; timeoutMs?: number } = {},
): Promise<Trial> {
  const platform = gateway.platforms.platformOf(account)
  const { model = firstModel(account, platform), timeoutMs = 30_000 } = options
  const { runtime } = gateway
  const startedMs = runtime.monotonicMs()
  const after = (verdict: Verdict): Trial => ({
    ...verdict,
    latencyMs: Math.round(runtime.monotonicMs() - startedMs),
  })
  const failed = (message: string): Verdict => ({ ok: false, status: null, message })
  const asked = upstreamModel(account.supportedModels, model)
  if (asked === undefined) return after(failed(`The account does not support the model "${model}"`))
  const opened = openCredentials(gateway, account)
  if ('fault' in opened) return after(failed(opened.fault))
  const late = new AbortController()
  const timer = runtime.setTimer(() => late.abort(), timeoutMs)
  try {
    const request = await buildTrial(platform, account, opened, asked, late.signal)
    if (!request) return after(failed(unusableCredential))
    const response = await runtime.fetch(request.url, request.init)
    const body = await readWhole(response.body, maxAnswerBytes)
    const verdict = verdictOf(platform, response, new TextDecoder().decode(body))
    return after({ ...verdict, message: redact(verdict.message, account.apiUrl, opened) })
  } catch (error) {
    if (late.signal.aborted) {
      return after(failed(`The upstream did not answer within ${timeoutMs / 1000} s`))
    }
    const way = opened.proxy ? ' through the proxy' : ''
    return after(failed(`The connection to the upstream${way} failed${reasonOf(error)}`))
  } finally {
    timer.clear()
  }
}

function firstModel({ supportedModels }: Account, platform: Platform): string {
  return listedModels(supportedModels)?.[0] ?? platform.defaultTrialModel
}

function openCredentials(
  { runtime, sealer }: Gateway,
  { id, sealedApiKey, proxy }: Account,
): AccountSecrets | { fault: string } {
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

const unusableCredential =
  'The platform of this account cannot use the stored credential; set apiKey again'

/** The trial request to the account as it goes out; undefined when its platform cannot build it. */
async function buildTrial(
  platform: Platform,
  account: Account,
  secrets: AccountSecrets,
  model: string,
  signal: AbortSignal,
) {
  const { operation, headers, body } = platform.trialRequest(model)
  headers.set('content-type', 'application/json')
  headers.set('accept', 'application/json')
  const bytes = new TextEncoder().encode(JSON.stringify(body))
  const { modelStart, modelEnd } = runAtOnce(readHints(bytes))
  const call = {
    account,
    operation,
    method: 'POST',
    subpath: '',
    headers,
    search: '',
    body: { bytes, model, modelStart, modelEnd },
    upstreamModel: model,
    signal,
  }
  return prepareRequest(platform, secrets, call).catch((error: unknown) => {
    if (signal.aborted) throw error
    return undefined
  })
}

function verdictOf(platform: Platform, response: HttpAnswer, text: string): Verdict {
  const { status } = response
  const json = parseJson(text)
  const isSuccess = status >= 200 && status < 300
  if (isSuccess && platform.isTrialAnswer(json))
    return { ok: true, status, message: 'The account answered' }
  const said = sentenceOf(json)
  if (said !== undefined) return { ok: false, status, message: said }
  const type = (response.headers.get('content-type') ?? 'no content-type').split(';')[0] ?? ''
  const what = json === undefined ? `${type}, not JSON` : 'JSON that is no answer of this vendor'
  const hint = isSuccess || json === undefined ? '; check apiUrl' : ''
  return { ok: false, status, message: `The upstream answered ${status} with ${what}${hint}` }
}

/** What would allow the address that was refused at connect time. */
const settingOf = new Map([
  ['ERR_PRIVATE_UPSTREAM', 'ALLOW_PRIVATE_UPSTREAMS'],
  ['ERR_PRIVATE_PROXY', 'ALLOW_PRIVATE_PROXIES'],
])

/** The code that the host's network layer gives an error, such as ECONNREFUSED; nothing of its text. */
function reasonOf(error: unknown): string {
  const Coded = z.object({ code: z.string().regex(/^[A-Z][A-Z0-9_]{2,60}$/) })
  const cause = error instanceof Error ? error.cause : undefined
  const code = Coded.safeParse(error).data?.code ?? Coded.safeParse(cause).data?.code
  const hint = settingOf.get(code ?? '')
  return code === undefined ? '' : ` (${code}${hint ? `; see the setting ${hint}` : ''})`
}
