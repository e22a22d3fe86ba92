import { describe, expect, it } from 'vitest'
import { createRestBridge } from '../../../src/node/bridge/rest-bridge.ts'
import { useBridge } from '../../support/rest-caller.ts'

const used = useBridge()
const { ask, call } = used

describe('a command in the body', () => {
  it('answers with its result as JSON', async () => {
    const body = ['SET', 'foo', 'b\u00e4r', 'EX', 100]
    const { status, headers, answer } = await call('/', { body })
    expect([status, answer]).toEqual([200, { result: 'OK' }])
    expect(headers.get('content-type')).toBe('application/json')
    expect(await ask('/', { body: ['GET', 'foo'] })).toEqual([200, { result: 'b\u00e4r' }])
    expect(await ask('/', { body: ['GET', 'none'] })).toEqual([200, { result: null }])
    expect(await ask('/', { body: ['HSET', 'h', 'f', 1.5, 'g', true] })).toEqual([
      200,
      { result: 2 },
    ])
    expect(await ask('/', { body: ['HMGET', 'h', 'f', 'x'] })).toEqual([
      200,
      { result: ['1.5', null] },
    ])
    expect(await ask('/', { method: 'PUT', body: ['PING'] })).toEqual([200, { result: 'PONG' }])
  })

  it('that fails is answered with 400 and its error', async () => {
    expect(await ask('/', { body: ['GET'] })).toEqual([
      400,
      { error: "ERR wrong number of arguments for 'get' command" },
    ])
    expect(await ask('/', { body: ['NOSUCH', 'secret'] })).toEqual([
      400,
      { error: "ERR unknown command 'NOSUCH'" },
    ])
  })
})

describe('a command in the path', () => {
  it('takes its words from the path', async () => {
    const method = 'GET'
    expect(await ask('/set/foo/bar/EX/100', { method })).toEqual([200, { result: 'OK' }])
    expect(await ask('/TTL/foo', { method })).toEqual([200, { result: 100 }])
    expect(await ask('/get/foo', {})).toEqual([200, { result: 'bar' }])
    expect(await ask('/set/a%2Fb/%C3%BC%20%2B', { method })).toEqual([200, { result: 'OK' }])
    expect(await ask('/', { body: ['GET', 'a/b'] })).toEqual([200, { result: '\u00fc +' }])
    expect(await ask('/get', { method })).toMatchObject([400, { error: /wrong number/ }])
  })

  it('takes a body as its last argument, and the query as what follows', async () => {
    expect(await ask('/set/foo?EX=100&NX', { body: '{"a": 1}' })).toEqual([200, { result: 'OK' }])
    expect(await ask('/set/foo?EX=100&NX', { body: 'other' })).toEqual([200, { result: null }])
    expect(await ask('/get/foo', {})).toEqual([200, { result: '{"a": 1}' }])
    expect(await ask('/ttl/foo', {})).toEqual([200, { result: 100 }])
  })

  it('is answered without a body to HEAD', async () => {
    expect(await ask('/ping', { method: 'HEAD' })).toEqual([200, ''])
  })

  it('is refused when it is empty or not text', async () => {
    expect(await ask('/', { method: 'GET' })).toEqual([400, { error: 'ERR empty command' }])
    expect(await ask('/get/%ff', { method: 'GET' })).toMatchObject([400, { error: /malformed/ }])
  })
})

describe('the token', () => {
  const unauthorized = [401, { error: 'Unauthorized' }]

  it('is needed for every path and method', async () => {
    for (const path of ['/', '/pipeline', '/multi-exec', '/get/foo', '/nothing']) {
      for (const authorization of ['', 'Bearer', 'Bearer wrong', `Basic ${used.bridge.token}`]) {
        const headers = { authorization }
        expect(await ask(path, { headers, body: ['PING'] })).toEqual(unauthorized)
        expect(await ask(path, { headers, method: 'DELETE' })).toEqual(unauthorized)
      }
    }
  })

  it('may stand in the query', async () => {
    const headers = { authorization: '' }
    const path = `/set/foo/bar?_token=${used.bridge.token}&EX=100`
    expect(await ask(path, { method: 'GET', headers })).toEqual([200, { result: 'OK' }])
    expect(await ask('/get/foo?_token=wrong', { headers })).toEqual(unauthorized)
    expect(await ask('/ttl/foo')).toEqual([200, { result: 100 }])
  })

  it('cannot be empty', () => {
    expect(() => createRestBridge({ engine: used.engine, token: '' })).toThrow('needs a token')
  })
})

describe('encoded replies', () => {
  const headers = { 'upstash-encoding': 'base64' }
  const base64 = (text: string) => Buffer.from(text).toString('base64')

  it('hold every string as base64, but for a bare OK', async () => {
    expect(await ask('/set/foo/b%C3%A4r', { headers })).toEqual([200, { result: 'OK' }])
    expect(await ask('/get/foo', { headers })).toEqual([200, { result: base64('b\u00e4r') }])
    expect(await ask('/get/none', { headers })).toEqual([200, { result: null }])
    expect(await ask('/strlen/foo', { headers })).toEqual([200, { result: 4 }])
    const body = ['EVAL', 'return {"a", 1, {"OK", false, {""}}}', 0]
    expect(await ask('/', { headers, body })).toEqual([
      200,
      { result: [base64('a'), 1, [base64('OK'), null, ['']]] },
    ])
  })

  it('leave errors as they are', async () => {
    expect(await ask('/get', { headers })).toMatchObject([400, { error: /^ERR wrong number/ }])
    const body = [
      ['SET', 'a', 'x'],
      ['INCR', 'a'],
      ['GET', 'a'],
    ]
    expect(await ask('/pipeline', { headers, body })).toEqual([
      200,
      [
        { result: 'OK' },
        { error: 'ERR value is not an integer or out of range' },
        { result: base64('x') },
      ],
    ])
  })

  it('are refused in the form of Redis, which the bridge does not speak', async () => {
    const refused = { 'upstash-response-format': 'resp2' }
    expect(await ask('/ping', { headers: refused })).toMatchObject([400, { error: /^ERR only/ }])
  })
})

describe('pipelines and transactions', () => {
  it('answer every command of a pipeline in its place, refused ones included', async () => {
    const body = [['SET', 'a', 1], ['MULTI'], ['NOSUCH'], ['INCR', 'a'], ['SELECT', 1]]
    expect(await ask('/pipeline', { body })).toEqual([
      200,
      [
        { result: 'OK' },
        { error: "ERR Command is not available: 'MULTI'" },
        { error: "ERR unknown command 'NOSUCH'" },
        { result: 2 },
        { error: "ERR Command is not available: 'SELECT'" },
      ],
    ])
    expect(await ask('/pipeline', { body: [] })).toEqual([200, []])
  })

  it('answer every command of a transaction, failed ones included', async () => {
    const body = [
      ['SET', 'a', 'x'],
      ['INCR', 'a'],
      ['GET', 'a'],
    ]
    expect(await ask('/multi-exec', { body })).toEqual([
      200,
      [{ result: 'OK' }, { error: 'ERR value is not an integer or out of range' }, { result: 'x' }],
    ])
  })

  it('answer a discarded transaction with the one error that it was discarded for', async () => {
    for (const [bad, error] of [
      [['GET'], "ERR wrong number of arguments for 'get' command"],
      [['WATCH', 'a'], "ERR Command is not available: 'WATCH'"],
    ]) {
      expect(await ask('/multi-exec', { body: [['SET', 'a', 'x'], bad] })).toEqual([400, { error }])
      expect(await ask('/exists/a')).toEqual([200, { result: 0 }])
    }
  })
})
