import { request as httpRequest } from 'node:http'
import { describe, expect, it } from 'vitest'
import { createRestBridge } from '../../../src/node/bridge/rest-bridge.ts'
import type { Engine } from '../../../src/store/redis.ts'
import { useBridge } from '../../support/rest-caller.ts'

const LIMIT = 100_000
const used = useBridge(LIMIT)
const { ask, call } = used

describe('hostile requests', () => {
  it('are refused as malformed, without an echo and without an effect', async () => {
    const bodies = [
      '',
      'secret',
      '{"secret":1}',
      '"secret"',
      'null',
      '[',
      '[["secret"]',
      '[{}]',
      '[null]',
      '["SET","secret",{"a":1}]',
      '["SET","secret",["a"]]',
      '["SET","secret",null]',
      '[[]]',
      `${'['.repeat(40_000)}${']'.repeat(40_000)}`,
      new Uint8Array([0x5b, 0x22, 0xff, 0x22, 0x5d]),
    ]
    for (const path of ['/', '/pipeline', '/multi-exec']) {
      for (const body of [...bodies, path === '/' ? '[]' : '["PING"]']) {
        const { status, answer } = await call(path, { body })
        expect([status, answer.error]).toEqual([400, expect.stringMatching(/^ERR (mal|empty)/)])
        expect(answer.error).not.toContain('secret')
      }
    }
    const binary = new Uint8Array([0xff, 0xfe])
    expect(await ask('/', { body: binary })).toMatchObject([400, { error: /UTF-8/ }])
    expect(await ask('/', { body: ['EXISTS', 'secret'] })).toEqual([200, { result: 0 }])
  })

  it('get 413 beyond the size limit, announced or not, and the limit itself passes', async () => {
    const value = 'x'.repeat(LIMIT - '["PING",""]'.length)
    expect(await ask('/', { body: ['PING', value] })).toEqual([200, { result: value }])
    const tooLarge = [413, { error: `ERR max request size exceeded. Limit: ${LIMIT} bytes` }]
    expect(await ask('/', { body: ['PING', `${value}x`] })).toEqual(tooLarge)
    const status = await new Promise((resolve) => {
      const headers = {
        authorization: `Bearer ${used.bridge.token}`,
        'transfer-encoding': 'chunked',
      }
      const request = httpRequest(used.bridge.url, { method: 'POST', headers }, (response) => {
        resolve(response.statusCode)
        request.destroy()
      })
      request.on('error', () => undefined)
      for (let sent = 0; sent <= LIMIT; sent += 10_000) request.write('x'.repeat(10_000))
    })
    expect(status).toBe(413)
  })

  it('get 503, without the reason, when the store does not answer', async () => {
    const broken: Engine = {
      request: () => Promise.reject(new Error('secret')),
      close: () => Promise.resolve(),
    }
    const { fetch } = createRestBridge({ engine: broken, token: 't' })
    const response = await fetch(
      new Request('http://bridge/', {
        method: 'POST',
        headers: { authorization: 'Bearer t' },
        body: '["PING"]',
      }),
    )
    const answer = { error: 'The store behind this bridge does not answer' }
    expect([response.status, await response.json()]).toEqual([503, answer])
  })

  it('never reach the log', async () => {
    const printed: unknown[] = []
    const { stdout, stderr } = process
    const writes = [stdout.write, stderr.write]
    stdout.write = stderr.write = (...args: unknown[]) => printed.push(args) > 0
    try {
      await call('/secret?_token=secret')
      await call('/', { body: 'secret' })
      await call('/', { body: ['SET', 'k', 'secret'], headers: { authorization: 'Bearer secret' } })
    } finally {
      ;[stdout.write, stderr.write] = writes as [typeof stdout.write, typeof stderr.write]
    }
    expect(JSON.stringify(printed)).not.toContain('secret')
  })
})
