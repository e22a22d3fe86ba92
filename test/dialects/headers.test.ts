import { describe, expect, it } from 'vitest'
import {
  commonHeaderRules,
  downstreamHeaders,
  upstreamHeaders,
} from '../../src/dialects/headers.ts'
import { HeaderList } from '../../src/http-message.ts'
import { readFixture } from '../support/fixtures.ts'

const upstream = (headers: Headers) => upstreamHeaders(headers, commonHeaderRules)

describe('headers towards the upstream', () => {
  it('carry nothing of the caller’s credentials, connection or proxies', () => {
    const headers = new Headers({
      'x-api-key': 'cr_1',
      authorization: 'Bearer cr_1',
      cookie: 'a=b',
      host: 'gateway',
      connection: 'keep-alive, x-hop',
      'x-hop': '1',
      'keep-alive': 'timeout=5',
      'transfer-encoding': 'chunked',
      te: 'trailers',
      expect: '100-continue',
      'content-length': '7',
      'cf-connecting-ip': '1.2.3.4',
      'x-forwarded-for': '1.2.3.4',
      forwarded: 'for=1.2.3.4',
      via: '1.1 x',
      'chatgpt-account-id': 'acc',
    })
    expect([...upstream(headers)]).toEqual([])
  })

  it('carry everything else unchanged, known or not', () => {
    const recorded = JSON.parse(readFixture('claude-code-2.1.330-print.json').toString())
    const sent = new Headers({ ...recorded.request.headers, 'x-invented-later': 'yes' })
    const kept = upstream(sent)
    const dropped = ['x-api-key', 'connection', 'host', 'content-length', 'accept-encoding']
    for (const name of dropped) sent.delete(name)
    expect(Object.fromEntries(kept)).toEqual(Object.fromEntries(sent))
  })
})

describe('headers back to the caller', () => {
  it('reveal nothing about the account, its limits or the servers in between', () => {
    const headers = new Headers({
      'content-type': 'application/json',
      'request-id': 'req_1',
      'x-invented-later': 'yes',
      'set-cookie': 'a=b',
      'content-encoding': 'gzip',
      'content-length': '7',
      'anthropic-organization-id': 'org',
      'anthropic-ratelimit-tokens-remaining': '1',
      'x-ratelimit-remaining': '1',
      'x-codex-primary-used-percent': '1',
      'cf-ray': '1',
      server: 'x',
      'transfer-encoding': 'chunked',
    })
    expect(Object.fromEntries(downstreamHeaders(headers, commonHeaderRules, false))).toEqual({
      'content-type': 'application/json',
      'request-id': 'req_1',
      'x-invented-later': 'yes',
    })
  })

  it('name the model that was asked for only when the account does not rename it', () => {
    const headers = new Headers({ 'openai-model': 'vendor/gpt-5', 'openai-version': '1' })
    const back = (isRenamed: boolean) => [
      ...downstreamHeaders(headers, commonHeaderRules, isRenamed).keys(),
    ]
    expect(back(false)).toEqual(['openai-model', 'openai-version'])
    expect(back(true)).toEqual(['openai-version'])
  })
})

const words = (text: string) => text.trim().split(/\s+/)

describe('each header of a request', () => {
  it.each(
    words(`host connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer
      transfer-encoding upgrade expect content-length accept-encoding x-api-key api-key authorization
      cookie cf-ray cf-connecting-ip x-forwarded-for x-forwarded-proto forwarded x-real-ip true-client-ip
      via cdn-loop chatgpt-account-id sec-websocket-key sec-websocket-extensions`),
  )('%s never goes upstream', (name) => {
    const headers = new HeaderList([[name, 'value']])
    expect([...upstreamHeaders(headers, commonHeaderRules)]).toEqual([])
  })

  it.each(
    words(`anthropic-version anthropic-beta content-type accept user-agent x-app x-stainless-lang
      x-stainless-retry-count x-claude-code-session-id x-claude-code-agent-id
      anthropic-dangerous-direct-browser-access originator session-id session_id thread-id thread_id
      conversation_id x-codex-turn-state x-codex-turn-metadata x-codex-beta-features x-client-request-id
      openai-beta version x-openai-subagent x-oai-web-search-eligible x-invented-later`),
  )('%s goes upstream unchanged', (name) => {
    const headers = new HeaderList([[name, 'a value, of its own; kept="as it is"']])
    const kept = [...upstreamHeaders(headers, commonHeaderRules)]
    expect(kept).toEqual([[name, 'a value, of its own; kept="as it is"']])
  })
})

describe('each header of an answer', () => {
  it.each(
    words(`connection keep-alive transfer-encoding trailer upgrade content-encoding content-length
      set-cookie cf-ray server via alt-svc strict-transport-security report-to nel
      anthropic-organization-id openai-organization openai-project anthropic-ratelimit-requests-remaining
      anthropic-ratelimit-unified-status x-codex-primary-used-percent x-codex-secondary-used-percent
      x-codex-credits-balance x-ratelimit-remaining-tokens retry-after x-request-id`),
  )('%s never comes back', (name) => {
    const headers = new HeaderList([[name, 'value']])
    expect([...downstreamHeaders(headers, commonHeaderRules, false)]).toEqual([])
  })

  it.each(
    words(`content-type request-id x-should-retry x-codex-turn-state x-models-etag
      x-reasoning-included openai-processing-ms openai-version x-invented-later`),
  )('%s comes back unchanged', (name) => {
    const headers = new HeaderList([[name, 'value']])
    expect([...downstreamHeaders(headers, commonHeaderRules, true)]).toEqual([[name, 'value']])
  })
})
