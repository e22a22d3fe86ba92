import { describe, expect, it } from 'vitest'
import { runAtOnce } from '../../../src/dialects/json-scan.ts'
import { GatewayError } from '../../../src/errors.ts'
import { maxModelLength, parseSpan, readHints } from '../../../src/relay/request/hints.ts'

const encode = (text: string) => new TextEncoder().encode(text)
const read = (text: string) => runAtOnce(readHints(encode(text)))

function refusal(text: string): GatewayError {
  try {
    read(text)
  } catch (error) {
    if (error instanceof GatewayError) return error
    throw error
  }
  throw new Error('was accepted')
}

describe('readHints', () => {
  it('reads model, stream and the bound on output, and where the model stands', () => {
    const text = '{ "max_tokens": 12, "model" : "claude-opus-4-5" , "stream": true }'
    const hints = read(text)
    expect(hints).toMatchObject({ model: 'claude-opus-4-5', stream: true, maxTokens: 12 })
    expect(text.slice(hints.modelStart, hints.modelEnd)).toBe('"claude-opus-4-5"')
  })

  it('decodes escapes in keys and values', () => {
    const hints = read('{"\\u006dodel":"gpt\\u002d5","str\\u0065am":true}')
    expect(hints).toMatchObject({ model: 'gpt-5', stream: true })
  })

  it('gives the place of any member, and undefined for one that is absent', () => {
    const text = '{"model":"m","metadata":{"user_id":"u"},"x":null}'
    const { span } = read(text)
    expect(parseSpan(encode(text), span('metadata'))).toEqual({ user_id: 'u' })
    expect(parseSpan(encode(text), span('x'))).toBeNull()
    expect(span('toString')).toBeUndefined()
  })

  it('parses no value of more than 64 KiB', () => {
    const text = JSON.stringify({ model: 'm', metadata: { user_id: 'u'.repeat(65_536) } })
    expect(parseSpan(encode(text), read(text).span('metadata'))).toBeUndefined()
  })

  it.each([
    'model',
    'stream',
    'max_tokens',
    'max_output_tokens',
    'max_completion_tokens',
    'metadata',
    'system',
    'messages',
    'instructions',
    'input',
    'prompt_cache_key',
    'previous_response_id',
  ])('refuses a body that names "%s" twice', (key) => {
    const escaped = `\\u${key.charCodeAt(0).toString(16).padStart(4, '0')}${key.slice(1)}`
    for (const second of [key, escaped, key.toUpperCase()]) {
      expect(refusal(`{"model":"m","${key}":"a","x":0,"${second}":"b"}`)).toMatchObject({
        code: 'duplicate_field',
        message: `The field "${key}" occurs more than once`,
        issues: [{ field: key }],
      })
    }
  })

  it('lets other fields pass, unknown and repeated ones too', () => {
    expect(read('{"model":"m","tools":1,"tools":2,"messages":[{"a":1,"a":2}]}').model).toBe('m')
  })

  it('refuses a missing model by name', () => {
    expect(refusal('{"stream":true}')).toMatchObject({
      code: 'invalid_request',
      issues: [{ field: 'model', message: 'is required' }],
    })
  })

  it.each(['""', '12', 'null', '["m"]', JSON.stringify('m'.repeat(maxModelLength + 1))])(
    'refuses a model of %s',
    (model) => {
      const error = refusal(`{"model":${model}}`)
      expect(error).toMatchObject({ code: 'invalid_request', issues: [{ field: 'model' }] })
    },
  )

  it('takes the longest model name', () => {
    const model = 'é'.repeat(maxModelLength)
    expect(read(JSON.stringify({ model })).model).toBe(model)
  })

  it.each([
    ['true', true],
    ['false', false],
    ['null', false],
  ])('takes a stream of %s', (stream, expected) => {
    expect(read(`{"model":"m","stream":${stream}}`).stream).toBe(expected)
  })

  it.each(['"true"', '1', '0', '[]', '{}'])('refuses a stream of %s', (stream) => {
    const error = refusal(`{"model":"m","stream":${stream}}`)
    expect(error).toMatchObject({ code: 'invalid_request', issues: [{ field: 'stream' }] })
  })

  it.each([
    ['{"max_tokens":0}', 0],
    ['{"max_tokens":1e3}', 1000],
    ['{"max_output_tokens":7}', 7],
    ['{"max_completion_tokens":8}', 8],
    ['{"max_tokens":null,"max_completion_tokens":8}', 8],
    ['{"max_tokens":-1}', undefined],
    ['{"max_tokens":1.5}', undefined],
    ['{"max_tokens":"9"}', undefined],
    ['{"max_tokens":1e300}', undefined],
    ['{}', undefined],
  ])('leaves a bound that is no count to the upstream: %s', (text, expected) => {
    expect(read(text.replace('{', '{"model":"m",').replace(',}', '}')).maxTokens).toBe(expected)
  })

  it('refuses what is not JSON', () => {
    expect(refusal('{"model":"m"').code).toBe('invalid_json')
    expect(refusal('["model"]').code).toBe('invalid_request')
  })
})
