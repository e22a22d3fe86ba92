/** Identifies the program that sent a request by its headers, which anyone can forge: no authentication. */
import type { ClientName } from '../../catalog/api-key.ts'
import type { HeaderReader } from '../../http-message.ts'

// `\d+\S*` would match a long number in as many ways as it has digits.
const claudeCode = /^claude-cli\/\d+\.\d+\.\d\S* \(external(?:, [^)]*)?\)/
const claudeCodeModels = /^claude-code\/\d+\.\d+\.\d\S*$/
const codexForm = /^([^/]+)\/\d+\.\d+\.\d\S* \(/
const codexProducts = new Set([
  'codex_cli_rs',
  'codex_exec',
  'codex-tui',
  'codex_vscode',
  'codex_sdk_ts',
  'codex_mcp_server',
  'Codex Desktop',
])
const codexBetas = /^responses(=experimental|_websockets=)/
const sdks: [pattern: RegExp, name: ClientName][] = [
  [/^Anthropic\/JS /, 'anthropic_sdk'],
  [/^OpenAI\/JS /, 'openai_sdk'],
  [/^ai(\/|-sdk[/-])/, 'vercel_ai'],
]

/**
 * The program a request comes from, or undefined when its headers do not say.
 * @param listsModels for which Claude Code has another name.
 */
export function identifyClient(headers: HeaderReader, listsModels = false): ClientName | undefined {
  const agent = headers.get('user-agent') ?? ''
  if (claudeCode.test(agent) && /^cli(-bg)?$/.test(headers.get('x-app') ?? '')) return 'claude_code'
  if (listsModels && claudeCodeModels.test(agent)) return 'claude_code'
  return identifyCodex(headers, agent) ?? sdks.find(([pattern]) => pattern.test(agent))?.[1]
}

/** Codex names itself in two headers; a program built on its engine does so with its own name. */
function identifyCodex(headers: HeaderReader, agent: string): ClientName | undefined {
  const originator = headers.get('originator') ?? ''
  if (originator === '') return undefined
  const isKnown = codexProducts.has(originator)
  const hasSession = ['session-id', 'session_id', 'conversation_id'].some((name) =>
    headers.has(name),
  )
  if (agent === '') {
    const isBeta = codexBetas.test(headers.get('openai-beta') ?? '')
    return isKnown && hasSession && isBeta ? 'codex' : undefined
  }
  if (codexForm.exec(agent)?.[1] !== originator) return undefined
  if (isKnown) return 'codex'
  return hasSession ? 'codex_engine' : undefined
}
