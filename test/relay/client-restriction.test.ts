/** Keys for named programs: every recorded version is accepted on every route, and what only looks like it is refused. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readFixture } from '../support/fixtures.ts'
import { createTestAdmin, createTestGateway, type TestGateway } from '../support/gateway.ts'

const clientNames: Record<string, string> = {
  claude_code: 'claude_code',
  codex: 'codex',
  'codex (originator only, no user-agent)': 'codex',
  'anthropic-sdk-js': 'anthropic_sdk',
  'openai-sdk-js': 'openai_sdk',
  'vercel-ai-sdk': 'vercel_ai',
}
const routes = {
  message: { method: 'POST', path: '/v1/messages' },
  count: { method: 'POST', path: '/v1/messages/count_tokens' },
  anthropicModels: { method: 'GET', path: '/v1/models' },
  response: { method: 'POST', path: '/openai/v1/responses' },
  compaction: { method: 'POST', path: '/openai/v1/responses/compact' },
  inputTokens: { method: 'POST', path: '/openai/v1/responses/input_tokens' },
  stored: { method: 'GET', path: '/openai/v1/responses/resp_1' },
  chat: { method: 'POST', path: '/openai/v1/chat/completions' },
  models: { method: 'GET', path: '/openai/v1/models' },
} as const
type Route = (typeof routes)[keyof typeof routes]
const anthropicRoutes = [routes.message, routes.count, routes.anthropicModels]
const openaiRoutes = Object.values(routes).filter(({ path }) => path.startsWith('/openai'))

let test: TestGateway
const keys: Record<string, string> = {}
beforeAll(async () => {
  // A refusal of the upstream, whose status no test here expects.
  test = createTestGateway({
    fetch: async () => Response.json({ error: { message: 'No' } }, { status: 400 }),
  })
  const admin = createTestAdmin(test)
  await admin.createAccount({})
  await admin.createAccount({ apiKey: 'sk-a' }, 'codex')
  for (const name of new Set(Object.values(clientNames))) {
    const restriction = { enableClientRestriction: true, allowedClients: [name] }
    keys[name] = (await admin.createKey(restriction)).key
  }
})
afterAll(() => test.close())

async function ask(client: string, { method, path }: Route, headers: Record<string, string>) {
  const { authorization: _, 'x-api-key': __, 'content-encoding': ___, ...rest } = headers
  const key = { 'x-api-key': keys[client] ?? '', 'content-type': 'application/json' }
  const body = JSON.stringify({ model: 'some-model', messages: [], input: 'hi' })
  const init = { method, headers: { ...rest, ...key }, ...(method === 'POST' && { body }) }
  const response = await test.app.request(path, init)
  const text = await response.text()
  await test.deferred()
  return { status: response.status, text }
}

const recorded = readdirSync(join(import.meta.dirname, '..', 'fixtures'))
  .filter((file) => file.endsWith('.json'))
  .map((file) => ({ file, ...JSON.parse(readFixture(file).toString()) }))
  .filter(({ request, expect: expected }) => expected?.client && request.headers)
  .map(({ file, request, expect: { client } }) => ({ file, request, client: clientNames[client] }))

describe('a recorded request', () => {
  it.each(recorded)('of $file is accepted where its program is allowed', async (each) => {
    const { request, client = '' } = each
    const listsModels = request.path === '/v1/models'
    const isOpenAi = client === 'codex' || client === 'openai_sdk' || client === 'vercel_ai'
    const all: Route[] = isOpenAi ? openaiRoutes : anthropicRoutes
    for (const route of all) {
      if (listsModels && !route.path.endsWith('/models')) continue
      const { status } = await ask(client, route, request.headers)
      expect([route.path, status]).not.toEqual([route.path, 403])
    }
  })

  it('is refused where another program is allowed', async () => {
    for (const { client, request } of recorded) {
      const other = client === 'codex' ? 'claude_code' : 'codex'
      expect((await ask(other, routes.message, request.headers)).status).toBe(403)
    }
  })
})

const cli = 'claude-cli/2.1.330 (external, cli)'
const exec = 'codex_exec/0.169.0 (Ubuntu 24.4.0; x86_64) xterm'
const nearMisses: [client: string, what: string, headers: Record<string, string>][] = [
  ['claude_code', 'no headers', {}],
  ['claude_code', 'no x-app', { 'user-agent': cli }],
  ['claude_code', 'another x-app', { 'user-agent': cli, 'x-app': 'cli-fg' }],
  ['claude_code', 'x-app in capitals', { 'user-agent': cli, 'x-app': 'CLI' }],
  ['claude_code', 'two x-apps', { 'user-agent': cli, 'x-app': 'cli, cli' }],
  ['claude_code', 'x-app alone', { 'x-app': 'cli' }],
  ['claude_code', 'no entrypoint', { 'user-agent': 'claude-cli/2.1.330', 'x-app': 'cli' }],
  ['claude_code', 'a short version', { 'user-agent': 'claude-cli/2.1 (external)', 'x-app': 'cli' }],
  ['claude_code', 'no version', { 'user-agent': 'claude-cli/ (external, cli)', 'x-app': 'cli' }],
  ['claude_code', 'another product', { 'user-agent': `my-${cli}`, 'x-app': 'cli' }],
  ['claude_code', 'something before it', { 'user-agent': `curl/8 ${cli}`, 'x-app': 'cli' }],
  ['claude_code', 'capitals', { 'user-agent': cli.toUpperCase(), 'x-app': 'cli' }],
  [
    'claude_code',
    'internal',
    { 'user-agent': 'claude-cli/2.1.330 (internal, cli)', 'x-app': 'cli' },
  ],
  [
    'claude_code',
    'externally',
    { 'user-agent': 'claude-cli/2.1.330 (externally)', 'x-app': 'cli' },
  ],
  [
    'claude_code',
    'an open bracket',
    { 'user-agent': 'claude-cli/2.1.330 (external', 'x-app': 'cli' },
  ],
  [
    'claude_code',
    'more than its name',
    { 'user-agent': 'claude-code/2.1.330 (x)', 'x-app': 'cli' },
  ],
  ['claude_code', 'a session alone', { 'x-claude-code-session-id': 's' }],
  ['codex', 'no originator', { 'user-agent': exec, 'session-id': 's' }],
  ['codex', 'another originator', { 'user-agent': exec, originator: 'codex-tui' }],
  ['codex', 'an unknown product', { 'user-agent': 'codex_foo/1.2.3 (x)', originator: 'codex_foo' }],
  [
    'codex',
    'an unknown product with a session',
    { 'user-agent': 'mine/1.2.3 (x)', originator: 'mine', 'session-id': 's' },
  ],
  ['codex', 'capitals', { 'user-agent': 'CODEX_EXEC/1.2.3 (x)', originator: 'CODEX_EXEC' }],
  ['codex', 'a short version', { 'user-agent': 'codex_exec/1.2 (x)', originator: 'codex_exec' }],
  ['codex', 'no system', { 'user-agent': 'codex_exec/1.2.3', originator: 'codex_exec' }],
  ['codex', 'an originator alone', { originator: 'codex_exec' }],
  [
    'codex',
    'no agent and no session',
    { originator: 'codex_cli_rs', 'openai-beta': 'responses=experimental' },
  ],
  ['codex', 'no agent and no beta', { originator: 'codex_cli_rs', session_id: 's' }],
  [
    'codex',
    'no agent and another beta',
    { originator: 'codex_cli_rs', session_id: 's', 'openai-beta': 'assistants=v2' },
  ],
  [
    'codex',
    'a browser',
    { 'user-agent': 'Mozilla/5.0', originator: 'codex_exec', 'session-id': 's' },
  ],
  ['anthropic_sdk', 'Python', { 'user-agent': 'Anthropic/Python 0.70.0' }],
  ['anthropic_sdk', 'no version', { 'user-agent': 'Anthropic/JS' }],
  ['anthropic_sdk', 'something before it', { 'user-agent': 'x Anthropic/JS 0.39.0' }],
  ['openai_sdk', 'Python', { 'user-agent': 'OpenAI/Python 2.0.0' }],
  ['openai_sdk', 'small letters', { 'user-agent': 'openai/js 7.57.0' }],
  ['vercel_ai', 'another ai', { 'user-agent': 'ai-agent/1.0.0' }],
  ['vercel_ai', 'a longer name', { 'user-agent': 'ai-sdks/anthropic/1.0.0' }],
  ['vercel_ai', 'aider', { 'user-agent': 'aider/0.80' }],
]

describe('what only looks like it', () => {
  it.each(nearMisses)('%s: %s is refused on every route, with a sentence', async (client, _, h) => {
    for (const route of [...anthropicRoutes, ...openaiRoutes]) {
      const { status, text } = await ask(client, route, h)
      expect([route.path, status]).toEqual([route.path, 403])
      expect(JSON.parse(text).error.message).toBe(
        `This gateway key may not be used by this program; it may be used by: ${client}`,
      )
    }
  })

  it('claude_code: the name with which it lists models is one for nothing else', async () => {
    const headers = { 'user-agent': 'claude-code/2.1.330' }
    expect((await ask('claude_code', routes.anthropicModels, headers)).status).toBe(200)
    expect((await ask('claude_code', routes.message, headers)).status).toBe(403)
    expect((await ask('claude_code', routes.count, headers)).status).toBe(403)
  })
})
