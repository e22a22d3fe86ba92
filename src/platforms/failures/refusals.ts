/** What the error object of an answer says, by the codes and sentences that vendors use. */
import { parseJson } from '../../json.ts'
import { asWireError, isObject, type WireError } from './wire-error.ts'

/**
 * - `refused`: the account is disabled, out of credit or over a spend limit that names no end, or
 *   its credential is no longer good
 * - `over_quota`: it has used up an allowance, which comes back at an end that the answer may name
 * - `account_limited`, `limited`: a rate limit of the account, or of the model asked for
 * - `overloaded`: the vendor has no capacity at the moment
 * - `unsupported_by_account`: this account does not serve such a request; another may
 * - `foreign_content`: the request holds what only the account that issued it can open
 * - `no_model`: the model is unknown, or (as a 403) this account may not use it
 * - `too_large`: this account can never serve a request of this size; another may
 * - `caller_fault`: the request itself cannot be served
 */
export type ErrorVerdict =
  | 'refused'
  | 'over_quota'
  | 'account_limited'
  | 'limited'
  | 'overloaded'
  | 'unsupported_by_account'
  | 'foreign_content'
  | 'no_model'
  | 'too_large'
  | 'caller_fault'

/**
 * Codes and types that decide the verdict whatever the message says. Sources:
 * - Anthropic: platform.claude.com/docs/en/api/errors, and /rate-limits for `error_code`
 * - OpenAI: developers.openai.com/api/docs/guides/error-codes; `billing_not_active`,
 *   `account_deactivated` and the `token_` codes as reported by users
 * - Codex: openai/codex, codex-api/src/api_bridge.rs
 * - one-api and new-api: types/error.go; sub2api: `INSUFFICIENT_BALANCE`
 */
const decisive: [ErrorVerdict, string[]][] = [
  [
    'refused',
    [
      'authentication_error',
      'permission_error',
      'invalid_api_key',
      'account_deactivated',
      'deactivated_workspace',
      'token_invalidated',
      'token_revoked',
      'billing_not_active',
      'billing_hard_limit_reached',
      'insufficient_quota',
      'credit_balance_exhausted',
      'organization_spend_limit_exceeded',
      'organization_usage_limit_exceeded',
      'project_spend_limit_exceeded',
      'usage_not_included',
      'insufficient_user_quota',
      'pre_consume_token_quota_failed',
      'channel:invalid_key',
      'channel:no_available_key',
      'INSUFFICIENT_BALANCE',
    ],
  ],
  ['over_quota', ['billing_error', 'enforced_spend_limit_reached', 'usage_limit_reached']],
]

/** Codes and types that say less than a sentence does, from the same sources. */
const general: [ErrorVerdict, string[]][] = [
  [
    'overloaded',
    ['overloaded_error', 'server_is_overloaded', 'slow_down', 'engine_overloaded_error'],
  ],
  ['limited', ['rate_limit_error', 'rate_limit_exceeded', 'tokens', 'requests']],
  ['no_model', ['model_not_found']],
  [
    'caller_fault',
    [
      'invalid_request_error',
      'not_found_error',
      'request_too_large',
      'context_length_exceeded',
      'invalid_prompt',
      'content_policy_violation',
      'content_filter',
      'cyber_policy',
    ],
  ],
]

/**
 * The same in words, for errors whose code says less: Anthropic's refusals come as
 * `invalid_request_error`, those of relays often without a code.
 *
 * A message may quote the caller, who must not be able to make accounts cool down with what they write.
 * So each sentence stands at the start, and nothing like `: ` may follow it: Anthropic answers an
 * unknown field with `<its name>: Extra inputs are not permitted`, and the caller chooses the name.
 *
 * Left out on purpose, because they depend on how a request looks and not on the account:
 * `Third-party apps now draw from your extra usage` and `You're out of extra usage` (both 400).
 */
const sentences: [ErrorVerdict, RegExp[]][] = [
  [
    'refused',
    [
      /^Your credit balance is too low/i,
      /^This organi[sz]ation has been disabled/i,
      /^(This|Your) (account|organi[sz]ation|workspace) (has been|is) (disabled?|suspended|deactivated)/i,
      /^This key is associated with a deactivated account/i,
      /^Your account is not active/i,
      /^OAuth (token has (been revoked|expired)|authentication is currently not allowed)/i,
      /^Your authentication token has been invalidated/i,
      /^You exceeded your current quota(, please check your plan and billing details\. For more information on this error, read the docs: https:\/\/)?/i,
      /^(user|token) quota is not enough/i,
      /^Insufficient (account )?balance/i,
      /^用户额度不足(, 剩余额度: [＄$¥]?-?[\d.]+)?/,
      /^预扣费额度失败(, 用户剩余额度: [＄$¥]?-?[\d.]+, 需要预扣费额度: [＄$¥]?-?[\d.]+)?/,
      /^(该令牌额度已用尽|该令牌已过期|令牌额度不足)/,
    ],
  ],
  [
    'over_quota',
    [
      /^You have reached your specified (workspace )?API usage limits/i,
      /^You have reached your API usage limits: your organization has crossed/i,
      /^(The usage limit has been reached|You've hit your usage limit)/i,
    ],
  ],
  ['account_limited', [/^This request would exceed your account's rate limit/i]],
  // Both as 429: OpenAI's limit per minute is below the request, Anthropic's plan has no long context.
  [
    'too_large',
    [/^Request too large for .*: Limit \d+/, /^Extra usage is required for long context requests/],
  ],
  [
    'overloaded',
    [/^(The|That) (server|engine|model) is (currently )?overloaded/i, /^Overloaded\b/i],
  ],
]

/**
 * What depends on the model, the beta or the program that asks: OpenAI's projects, Claude Code's
 * credentials and subscriptions, relays (new-api, claude-relay-service, CLIProxyAPI). When a caller fakes
 * one, the only effect is that other accounts are asked, and none cools down.
 */
const unsupportedByAccount = [
  /^Project `?[\w-]+`? does not have access to model /,
  /^No available channel for model /,
  /^(当前)?分组 .{0,99} 下(对于)?模型 .{0,300}无可用渠道/,
  /^No available \w+ accounts support the requested model/,
  /^This credential is only authorized for use with Claude Code/,
  /^Client not allowed/i,
  /^CORS requests /,
  /\bis not (yet |currently )?(available|supported|enabled) (for|on|in|with) (this|your) (subscription|account|organi[sz]ation|workspace|project|plan|tier|region)\b/i,
  /^Unexpected value\(s\) .{1,999} for the `anthropic-beta` header/,
  /^(unknown|no available) provider for model /i,
  /^(Failed to get (a )?response from|No response from|Error from) (the )?(provider|upstream)/i,
  /^Provider returned error/i,
]

/** Codes of content that another account issued: OpenAI's, as users report them. */
const foreignContentCodes = new Set([
  'invalid_encrypted_content',
  'previous_response_not_found',
  'container_expired',
])
/** The same in words: Anthropic's thinking, its containers and files (all as 400 or 404). */
const foreignContent = [
  /^messages\.\d+\.content\.\d+(\.[\w.]+)?: Invalid `(signature|data)` in `\w+` block/,
  /^(The )?encrypted content .{0,200}could not be (verified|decrypted|decoded)/i,
  /^(The )?(container|file|previous response)( with id)?:? ?['"`]?[\w.-]{0,200}['"`]? (was )?not found/i,
  /^(Container|File) not found/i,
]

/** Types of a failure behind the API, whatever its status: the request itself was not judged. */
const failuresBehind = new Set([
  'api_error',
  'server_error',
  'internal_server_error',
  'upstream_error',
  'timeout_error',
])

/** What the error says, by its code, then in words, then by its type; undefined if it says nothing. */
export function verdictOf(error: WireError): ErrorVerdict | undefined {
  if (unsupportedByAccount.some((sentence) => sentence.test(error.message ?? '')))
    return 'unsupported_by_account'
  const { code, type, details } = error
  if (foreignContentCodes.has(code ?? '')) return 'foreign_content'
  if (foreignContent.some((sentence) => sentence.test(error.message ?? '')))
    return 'foreign_content'
  const names = [details?.error_code, code, type]
  return named(decisive, names) ?? said(error.message ?? '') ?? named(general, names)
}

/**
 * Whether another account may answer a request that was refused with a status of the caller's fault:
 * what refused it does not speak as the vendor's API does (a page, a list under `error`, `detail`), or
 * says that it does not have what was asked for, or that it failed itself.
 */
export function mayDifferElsewhere(body: string, verdict: ErrorVerdict | undefined): boolean {
  const root = parseJson(body)
  if (root === undefined || verdict === 'no_model') return true
  if (!isObject(root)) return false
  const { error, detail } = root
  if (Array.isArray(error) || (detail !== undefined && !isObject(error))) return true
  const type = isObject(error) ? asWireError(error).type : undefined
  return type === 'not_found_error' || failuresBehind.has(type ?? '')
}

function named(
  table: [ErrorVerdict, string[]][],
  names: (string | null | undefined)[],
): ErrorVerdict | undefined {
  for (const name of names) {
    const row = table.find(([, known]) => known.includes(name ?? ''))
    if (row) return row[0]
  }
  return undefined
}

function said(message: string): ErrorVerdict | undefined {
  const isSaid = (sentence: RegExp) => {
    const match = sentence.exec(message)
    return match !== null && !message.slice(match[0].length).includes(': ')
  }
  return sentences.find(([, known]) => known.some(isSaid))?.[0]
}
