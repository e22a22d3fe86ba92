/** How each client program is set up for this gateway, as texts with the gateway's own address. */

export interface ClientSetup {
  title: string
  /** What it writes after the address that it is given. */
  appends: string
  /** @param base address of the gateway, without a slash at its end. */
  text: (base: string) => string
}

const key = 'cr_xxx'

/** By the name in `/setup/:client`. */
export const clientSetups: Readonly<Record<string, ClientSetup>> = {
  'claude-code': {
    title: 'Claude Code',
    appends: '/v1/messages',
    text: (base) => `export ANTHROPIC_BASE_URL=${base}/api
export ANTHROPIC_AUTH_TOKEN=${key}
claude

Or in ~/.claude/settings.json:

{ "env": { "ANTHROPIC_BASE_URL": "${base}/api", "ANTHROPIC_AUTH_TOKEN": "${key}" } }`,
  },
  vscode: {
    title: 'Claude Code for VS Code',
    appends: '/v1/messages',
    text: (base) => `The extension reads ~/.claude/settings.json:

{ "env": { "ANTHROPIC_BASE_URL": "${base}/api", "ANTHROPIC_AUTH_TOKEN": "${key}" } }`,
  },
  codex: {
    title: 'Codex CLI',
    appends: '/responses',
    text: (base) => `export CRS_KEY=${key}

In ~/.codex/config.toml:

model_provider = "gateway"
model = "gpt-5-codex"

[model_providers.gateway]
name = "gateway"
base_url = "${base}/openai/v1"
wire_api = "responses"
env_key = "CRS_KEY"

Leave requires_openai_auth unset: with a ChatGPT login your own ChatGPT token would be sent here.`,
  },
  'codex-ide': {
    title: 'Codex in an IDE',
    appends: '/responses',
    text: () => `The extension reads the same ~/.codex/config.toml as the CLI: see /setup/codex.
The variable CRS_KEY must be set where the IDE is started.`,
  },
  cursor: {
    title: 'Cursor',
    appends: '/chat/completions',
    text: (base) => `Settings, Models, API Keys:
  OpenAI API Key: ${key}
  Override OpenAI Base URL: ${base}/openai/v1
Cursor calls it from its own servers, so the address must be reachable from the internet.`,
  },
  cline: {
    title: 'Cline',
    appends: '/v1/messages, or /chat/completions',
    text: (base) => `API Provider: Anthropic
  Anthropic API Key: ${key}
  Use custom base URL: ${base}/api
Or API Provider: OpenAI Compatible
  Base URL: ${base}/openai/v1
  API Key: ${key}`,
  },
  roo: {
    title: 'Roo Code',
    appends: '/v1/messages, or /chat/completions',
    text: (base) => `API Provider: Anthropic
  Anthropic API Key: ${key}
  Use custom base URL: ${base}/api
Or API Provider: OpenAI Compatible
  Base URL: ${base}/openai/v1
  API Key: ${key}`,
  },
  zed: {
    title: 'Zed',
    appends: '/v1/messages, or /chat/completions',
    text: (base) => `In settings.json:

{
  "language_models": {
    "anthropic": { "api_url": "${base}/api" },
    "openai": { "api_url": "${base}/openai/v1" }
  }
}

Then enter ${key} as the API key of the provider.`,
  },
  continue: {
    title: 'Continue',
    appends: 'messages, or chat/completions',
    text: (base) => `In ~/.continue/config.yaml:

models:
  - name: Claude
    provider: anthropic
    model: claude-sonnet-4-6
    apiBase: ${base}/api/v1/
    apiKey: ${key}
  - name: GPT
    provider: openai
    model: gpt-5
    apiBase: ${base}/openai/v1/
    apiKey: ${key}`,
  },
  opencode: {
    title: 'opencode',
    appends: '/messages, or /responses',
    text: (base) => `In opencode.json:

{
  "provider": {
    "anthropic": { "options": { "baseURL": "${base}/api/v1", "apiKey": "${key}" } },
    "openai": { "options": { "baseURL": "${base}/openai/v1", "apiKey": "${key}" } }
  }
}`,
  },
  aider: {
    title: 'aider',
    appends: '/v1/messages, or /chat/completions',
    text: (base) => `export ANTHROPIC_API_BASE=${base}/api
export ANTHROPIC_API_KEY=${key}
aider --model anthropic/claude-sonnet-4-6

export OPENAI_API_BASE=${base}/openai/v1
export OPENAI_API_KEY=${key}
aider --model openai/gpt-5`,
  },
  'anthropic-sdk': {
    title: 'Anthropic SDK',
    appends: '/v1/messages',
    text: (base) => `import Anthropic from '@anthropic-ai/sdk'
const client = new Anthropic({ baseURL: '${base}/api', apiKey: '${key}' })

Python: Anthropic(base_url="${base}/api", api_key="${key}")`,
  },
  'openai-sdk': {
    title: 'OpenAI SDK',
    appends: '/responses, or /chat/completions',
    text: (base) => `import OpenAI from 'openai'
const client = new OpenAI({ baseURL: '${base}/openai/v1', apiKey: '${key}' })

Python: OpenAI(base_url="${base}/openai/v1", api_key="${key}")`,
  },
  'vercel-ai': {
    title: 'Vercel AI SDK',
    appends: '/messages, or /responses',
    text: (base) => `import { createAnthropic } from '@ai-sdk/anthropic'
import { createOpenAI } from '@ai-sdk/openai'
const anthropic = createAnthropic({ baseURL: '${base}/api/v1', apiKey: '${key}' })
const openai = createOpenAI({ baseURL: '${base}/openai/v1', apiKey: '${key}' })`,
  },
  curl: {
    title: 'curl',
    appends: 'nothing',
    text: (base) => `curl ${base}/api/v1/messages \\
  -H 'x-api-key: ${key}' -H 'anthropic-version: 2023-06-01' -H 'content-type: application/json' \\
  -d '{"model":"claude-sonnet-4-6","max_tokens":64,"messages":[{"role":"user","content":"hi"}]}'

curl ${base}/openai/v1/responses \\
  -H 'authorization: Bearer ${key}' -H 'content-type: application/json' \\
  -d '{"model":"gpt-5-mini","input":"hi"}'`,
  },
}
