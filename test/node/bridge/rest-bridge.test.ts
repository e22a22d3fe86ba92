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

describe('what the client of the gateway never sends', () => {
  it('is refused: a command in the path', async () => {
    for (const path of ['/get/foo', '/set/foo/bar?EX=100', '/ping', '/pipeline/x', '/%ff']) {
      expect(await ask(path, { body: ['PING'] })).toEqual([404, { error: 'Not Found' }])
    }
  })

  it('is refused: any method but POST', async () => {
    for (const method of ['GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
      const { status, headers, answer } = await call('/', { method })
      expect([status, answer]).toEqual([405, { error: 'Method Not Allowed' }])
      expect(headers.get('allow')).toBe('POST')
    }
    expect((await call('/', { method: 'HEAD' })).status).toBe(405)
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

  it('counts in the header only, not in the address', async () => {
    const headers = { authorization: '' }
    const path = `/?_token=${used.bridge.token}`
    expect(await ask(path, { headers, body: ['PING'] })).toEqual(unauthorized)
  })

  it('cannot be empty', () => {
    expect(() => createRestBridge({ engine: used.engine, token: '' })).toThrow('needs a token')
  })
})

describe('encoded replies', () => {
  const headers = { 'upstash-encoding': 'base64' }
  const base64 = (text: string) => Buffer.from(text).toString('base64')
  const encoded = (...body: unknown[]) => ask('/', { headers, body })

  it('hold every string as base64, but for a bare OK', async () => {
    expect(await encoded('SET', 'foo', 'b\u00e4r')).toEqual([200, { result: 'OK' }])
    expect(await encoded('GET', 'foo')).toEqual([200, { result: base64('b\u00e4r') }])
    expect(await encoded('GET', 'none')).toEqual([200, { result: null }])
    expect(await encoded('EXISTS', 'foo')).toEqual([200, { result: 1 }])
    expect(await encoded('EVAL', 'return {"a", 1, {"OK", false, {""}}}', 0)).toEqual([
      200,
      { result: [base64('a'), 1, [base64('OK'), null, ['']]] },
    ])
  })

  it('leave errors as they are', async () => {
    expect(await encoded('GET')).toMatchObject([400, { error: /^ERR wrong number/ }])
    const body = [
      ['SET', 'a', 'x'],
      ['HGET', 'a', 'f'],
      ['GET', 'a'],
    ]
    expect(await ask('/pipeline', { headers, body })).toEqual([
      200,
      [
        { result: 'OK' },
        { error: 'WRONGTYPE Operation against a key holding the wrong kind of value' },
        { result: base64('x') },
      ],
    ])
  })
})

describe('pipelines and transactions', () => {
  it('answer every command of a pipeline in its place, refused ones included', async () => {
    const body = [['SET', 'a', 1], ['MULTI'], ['NOSUCH'], ['GET', 'a'], ['SELECT', 1]]
    expect(await ask('/pipeline', { body })).toEqual([
      200,
      [
        { result: 'OK' },
        { error: "ERR Command is not available: 'MULTI'" },
        { error: "ERR unknown command 'NOSUCH'" },
        { result: '1' },
        { error: "ERR Command is not available: 'SELECT'" },
      ],
    ])
    expect(await ask('/pipeline', { body: [] })).toEqual([200, []])
  })

  it('answer every command of a transaction, failed ones included', async () => {
    const body = [
      ['SET', 'a', 'x'],
      ['HGET', 'a', 'f'],
      ['GET', 'a'],
    ]
    const error = 'WRONGTYPE Operation against a key holding the wrong kind of value'
    expect(await ask('/multi-exec', { body })).toEqual([
      200,
      [{ result: 'OK' }, { error }, { result: 'x' }],
    ])
  })

  it('answer a discarded transaction with the one error that it was discarded for', async () => {
    for (const [bad, error] of [
      [['GET'], "ERR wrong number of arguments for 'get' command"],
      [['WATCH', 'a'], "ERR Command is not available: 'WATCH'"],
    ]) {
      expect(await ask('/multi-exec', { body: [['SET', 'a', 'x'], bad] })).toEqual([400, { error }])
      expect(await ask('/', { body: ['EXISTS', 'a'] })).toEqual([200, { result: 0 }])
    }
  })

  it('refuse commands that change, block or listen on the connection that all share', async () => {
    const commands = ['AUTH x', 'blpop k 0', 'CLIENT ID', 'CONFIG GET *', 'SUBSCRIBE c', 'SHUTDOWN']
    for (const command of [
      ...commands,
      'XREAD BLOCK 0 STREAMS s $',
      'xreadgroup group g c block 0',
    ]) {
      const words = command.split(' ')
      const error = `ERR Command is not available: '${words[0]?.toUpperCase()}'`
      expect(await ask('/', { body: words })).toEqual([400, { error }])
    }
  })
})
