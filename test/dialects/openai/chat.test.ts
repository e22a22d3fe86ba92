import { createParser } from 'eventsource-parser'
import { describe, expect, it } from 'vitest'
import { splice } from '../../../src/bytes.ts'
import { runAtOnce } from '../../../src/dialects/json-scan.ts'
import { openaiChat } from '../../../src/dialects/openai/chat.ts'
import { withoutUsage } from '../../../src/dialects/openai/include-usage.ts'
import { GatewayError } from '../../../src/errors.ts'
import { readHints } from '../../../src/relay/request/hints.ts'
import { readFixture } from '../../support/fixtures.ts'

const read = (text: string) => {
  const reader = openaiChat.createUsageReader(400)
  const kinds: string[] = []
  createParser({ onEvent: (message) => kinds.push(reader.event(message)) }).feed(text)
  return { reader, kinds }
}
const chunk = (fields: object) => `data: ${JSON.stringify(fields)}\n\n`
const delta = (delta: object, finish_reason: string | null = null) =>
  chunk({ choices: [{ index: 0, delta, finish_reason }] })

describe('the usage of a Chat Completions stream', () => {
  it('is read from the chunk before its end', () => {
    const { reader, kinds } = read(readFixture('chat-text-usage.sse'))
    expect(reader.state()).toBe('complete')
    expect(kinds.slice(0, 2)).toEqual(['preamble', 'content'])
    const { usage, estimated, factors } = reader.total()
    expect(estimated).toBe(false)
    expect(usage).toMatchObject({
      inputTokens: 288,
      cacheReadTokens: 1024,
      outputTokens: 27,
      reasoningTokens: 20,
    })
    expect(factors).toEqual({ serviceTier: 'default', servedModel: 'gpt-5' })
  })

  it('is estimated where the upstream names none', () => {
    const { reader } = read(readFixture('chat-text-no-usage.sse'))
    expect(reader.state()).toBe('complete')
    expect(reader.total()).toMatchObject({ estimated: true, usage: { inputTokens: 100 } })
    expect(reader.total().usage.outputTokens).toBeGreaterThan(0)
  })

  it('is estimated from what was seen when the stream breaks off, calls of tools included', () => {
    const call = { index: 0, function: { arguments: 'x'.repeat(40) } }
    const { reader, kinds } = read(delta({ role: 'assistant' }) + delta({ tool_calls: [call] }))
    expect(kinds).toEqual(['preamble', 'content'])
    expect(reader.state()).toBe('open')
    expect(reader.total()).toMatchObject({ estimated: true, usage: { outputTokens: 10 } })
  })

  it('is whole when the stream ends after a reason to finish, also without the final mark', () => {
    const { reader } = read(delta({ content: 'hi' }) + delta({}, 'stop'))
    expect(reader.state()).toBe('open')
    reader.ended?.()
    expect(reader.state()).toBe('complete')
  })

  it('an error in the stream is one, in the words of the upstream', () => {
    const { reader, kinds } = read(chunk({ error: { message: 'No', code: 'server_error' } }))
    expect(kinds).toEqual(['error'])
    expect(reader.failure()).toMatchObject({ message: 'No', code: 'server_error' })
  })

  it('text that quotes the names of decisive fields decides nothing', () => {
    const { reader, kinds } = read(delta({ content: '"error": "usage":{ "finish_reason":"x' }))
    expect(kinds).toEqual(['content'])
    expect(reader.state()).toBe('open')
  })
})

describe('the two forms of a completion', () => {
  const fold = (text: string) => {
    const folded = openaiChat.createFold?.()
    createParser({ onEvent: (message) => folded?.event(message) }).feed(text)
    return JSON.parse(folded?.answer() ?? 'null')
  }

  it('a stream folds into the message that it tells, with calls of tools joined by their index', () => {
    const call = (index: number, fields: object) => ({ tool_calls: [{ index, ...fields }] })
    const folded = fold(
      [
        delta({ role: 'assistant', content: '' }),
        delta({ content: 'Hi' }),
        delta({ content: ' there' }),
        delta(call(0, { id: 'c0', type: 'function', function: { name: 'f', arguments: '{"a"' } })),
        delta(call(1, { id: 'c1', type: 'function', function: { name: 'g', arguments: '{}' } })),
        delta(call(0, { function: { arguments: ':1}' } })),
        delta({}, 'tool_calls'),
        chunk({ choices: [], usage: { prompt_tokens: 1, completion_tokens: 2 } }),
        'data: [DONE]\n\n',
      ].join(''),
    )
    expect(folded).toEqual({
      object: 'chat.completion',
      choices: [
        {
          index: 0,
          finish_reason: 'tool_calls',
          message: {
            role: 'assistant',
            content: 'Hi there',
            tool_calls: [
              { id: 'c0', type: 'function', function: { name: 'f', arguments: '{"a":1}' } },
              { id: 'c1', type: 'function', function: { name: 'g', arguments: '{}' } },
            ],
          },
        },
      ],
      usage: { prompt_tokens: 1, completion_tokens: 2 },
    })
  })

  it('names that mean something to JavaScript are plain names in it', () => {
    const folded = fold(
      `data: {"choices":[{"index":0,"delta":{"__proto__":{"x":"1"},"constructor":"c"}}]}\n\n`,
    )
    expect(Object.hasOwn(folded.choices[0].message, '__proto__')).toBe(true)
    expect(folded.choices[0].message.constructor).toBe('c')
  })

  it('a completion unfolds into chunks that fold back into it', () => {
    const completion = {
      id: 'c',
      object: 'chat.completion',
      choices: [
        {
          index: 0,
          message: {
            role: 'assistant',
            content: 'hi',
            tool_calls: [{ id: 'c0', type: 'function', function: { name: 'f', arguments: '{}' } }],
          },
          finish_reason: 'stop',
        },
      ],
      usage: { prompt_tokens: 1, completion_tokens: 1 },
    }
    const bytes = new TextEncoder().encode(JSON.stringify(completion))
    const text = openaiChat.unfold?.(bytes) ?? ''
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true)
    expect(fold(text)).toEqual(completion)
  })
})

describe('usage that the client did not ask for', () => {
  const asked = (text: string) => {
    const body = new TextEncoder().encode(text)
    const adaptation = openaiChat.adapt?.(body, runAtOnce(readHints(body)))
    if (!adaptation) return undefined
    const { start, end, replacement } = adaptation.edit
    return new TextDecoder().decode(splice(body, start, end, replacement))
  }

  it('is asked for in a stream, with every other byte kept', () => {
    expect(asked('{"model":"m", "stream":true}')).toBe(
      '{"model":"m", "stream":true,"stream_options":{"include_usage":true}}',
    )
    expect(
      asked('{"stream_options": {"include_obfuscation":false},"stream":true,"model":"m"}'),
    ).toBe(
      '{"stream_options": {"include_obfuscation":false,"include_usage":true},"stream":true,"model":"m"}',
    )
    expect(asked('{"model":"m","stream":true,"stream_options":null}')).toBe(
      '{"model":"m","stream":true,"stream_options":{"include_usage":true}}',
    )
    expect(asked('{"model":"m","stream":true,"stream_options":{"include_usage":false}}')).toBe(
      '{"model":"m","stream":true,"stream_options":{"include_usage":true}}',
    )
  })

  it('is not asked for where the client does so, or wants no stream', () => {
    expect(
      asked('{"model":"m","stream":true,"stream_options":{"include_usage":true}}'),
    ).toBeUndefined()
    expect(asked('{"model":"m"}')).toBeUndefined()
  })

  it('is hidden: the stream is the one that the vendor gives to who does not ask', () => {
    const usage = { prompt_tokens: 1 }
    const choices = [{ index: 0, delta: { content: 'hi "usage":null' }, finish_reason: null }]
    const given = `${chunk({ id: 'c', choices, usage: null })}${chunk({ choices: [], usage })}data: [DONE]\n\n`
    expect(withoutUsage(given)).toBe(`${chunk({ id: 'c', choices })}data: [DONE]\n\n`)
    const first = `data: {"usage": null, "choices":[{"index":0}]}\r\n\r\n`
    expect(withoutUsage(first)).toBe(`data: { "choices":[{"index":0}]}\r\n\r\n`)
    expect(withoutUsage(readFixture('chat-text-usage.sse'))).toBe(
      readFixture('chat-text-no-usage.sse'),
    )
  })
})

describe("the gateway's errors for clients of Chat Completions", () => {
  it('stand in a stream as an error object, which the SDKs throw', () => {
    const text = openaiChat.errorEvent(new GatewayError('upstream_failed', 'A sentence'), 'i')
    expect(JSON.parse(text.slice('data: '.length))).toEqual({
      error: {
        message: 'A sentence',
        type: 'server_error',
        param: null,
        code: 'server_is_overloaded',
      },
    })
    expect(openaiChat.refusalEvent('{"error":{"message":"No"}}')).toBe(
      'data: {"error":{"message":"No"}}\n\n',
    )
    expect(openaiChat.refusalEvent('no JSON')).toBeUndefined()
  })
})
