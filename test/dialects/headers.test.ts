import { describe, expect, it } from 'vitest'
import {
  commonHeaderRules,
  downstreamHeaders,
  upstreamHeaders,
} from '../../src/dialects/headers.ts'
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
