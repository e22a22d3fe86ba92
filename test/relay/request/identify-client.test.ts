import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { identifyClient } from '../../../src/relay/request/identify-client.ts'
import { readFixture } from '../../support/fixtures.ts'

const names: Record<string, string> = {
  claude_code: 'claude_code',
  codex: 'codex',
  'codex (originator only, no user-agent)': 'codex',
  'anthropic-sdk-js': 'anthropic_sdk',
  'openai-sdk-js': 'openai_sdk',
  'vercel-ai-sdk': 'vercel_ai',
}

const recorded = readdirSync(join(import.meta.dirname, '..', '..', 'fixtures'))
  .filter((file) => file.endsWith('.json'))
  .map((file) => ({ file, ...JSON.parse(readFixture(file).toString()) }))
  // Frames of a websocket carry no headers of their own.
  .filter(({ request, expect: expected }) => expected && request.headers)

describe('the client of a request', () => {
  it.each(recorded.map(({ file, request, expect: expected }) => [file, request, expected]))(
    'is told from the recorded headers of %s',
    (_, request, expected) => {
      expect(
        identifyClient(new Headers(request.headers), request.path === '/v1/models') ?? null,
      ).toBe(expected.client === null ? null : names[expected.client])
    },
  )

  it.each([
    ['no headers at all', {}],
    ['Claude Code without its x-app', { 'user-agent': 'claude-cli/2.1.0 (external, cli)' }],
    ['Codex under another originator', { 'user-agent': 'codex_exec/1.2.3 (x)', originator: 'y' }],
    ['a browser', { 'user-agent': 'Mozilla/5.0' }],
  ])('is unknown for %s', (_, headers) => {
    expect(identifyClient(new Headers(headers))).toBeUndefined()
  })

  it('is the Codex engine where another program embeds it', () => {
    const headers = { 'user-agent': 'mine/1.2.3 (x)', originator: 'mine', 'session-id': 's' }
    expect(identifyClient(new Headers(headers))).toBe('codex_engine')
  })
})
