/** Journeys of the vendors' own SDKs: what they return, throw and repeat is what it is without a gateway. */
import { createAnthropic } from '@ai-sdk/anthropic'
import { createOpenAI } from '@ai-sdk/openai'
import Anthropic from '@anthropic-ai/sdk'
import { generateText, streamText } from 'ai'
import OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import { chatCompletion, responsesJson, responsesStream } from '../../support/openai.ts'
import { anthropicJson, anthropicStream, hang, json } from '../../support/upstream.ts'
import type { Stage } from '../journeys.ts'

const model = 'claude-sonnet-4-6'
const ask = { model, max_tokens: 64, messages: [{ role: 'user' as const, content: 'hi' }] }

export function sdkJourneys(stage: Stage): void {
  const clients = async (retries = 0) => {
    await stage.addAccount('sk-ant-a')
    await stage.addAccount('sk-o', {}, 'codex')
    const { key } = await stage.admin.createKey()
    const { url } = stage.host
    return {
      key,
      anthropic: new Anthropic({ baseURL: `${url}/api`, apiKey: key, maxRetries: retries }),
      openai: new OpenAI({ baseURL: `${url}/openai/v1`, apiKey: key, maxRetries: retries }),
      aiAnthropic: createAnthropic({ baseURL: `${url}/api/v1`, apiKey: key }),
      aiOpenAi: createOpenAI({ baseURL: `${url}/openai/v1`, apiKey: key }),
    }
  }
  const behave: Stage['upstream']['behave'] = (...args) => stage.upstream.behave(...args)

  describe('the Anthropic SDK', () => {
    it('gets a message, a stream and a count of tokens', async () => {
      const { anthropic } = await clients()
      behave('sk-ant-a', anthropicJson({ text: 'hello' }))
      const message = await anthropic.messages.create(ask)
      expect(message.content).toMatchObject([{ type: 'text', text: 'hello' }])
      behave('sk-ant-a', anthropicStream({ deltas: ['a', 'b'] }))
      expect(await anthropic.messages.stream(ask).finalText()).toBe('ab')
      behave('sk-ant-a', json(200, { input_tokens: 7 }))
      expect((await anthropic.messages.countTokens(ask)).input_tokens).toBe(7)
    })

    it('lists the models that the key may use', async () => {
      const { anthropic } = await clients()
      const ids: string[] = []
      for await (const { id } of anthropic.models.list({ limit: 5 })) ids.push(id)
      expect(ids).toContain(model)
      expect(ids.length).toBeGreaterThan(5)
      expect((await anthropic.models.retrieve(model)).id).toBe(model)
    })

    it('sends the result of a tool back, on the same conversation', async () => {
      const { anthropic } = await clients()
      const use = { type: 'tool_use' as const, id: 't1', name: 'add', input: { a: 1, b: 2 } }
      const usage = { input_tokens: 1, output_tokens: 1 }
      const called = { id: 'm', type: 'message', role: 'assistant', model, content: [use], usage }
      behave(
        'sk-ant-a',
        json(200, { ...called, stop_reason: 'tool_use' }),
        anthropicJson({ text: '3' }),
      )
      const tools = [{ name: 'add', input_schema: { type: 'object' as const } }]
      const first = await anthropic.messages.create({ ...ask, tools })
      const [block] = first.content
      expect(block).toMatchObject(use)
      const result = { type: 'tool_result' as const, tool_use_id: 't1', content: '3' }
      const second = await anthropic.messages.create({
        ...ask,
        tools,
        messages: [
          ...ask.messages,
          { role: 'assistant', content: first.content },
          { role: 'user', content: [result] },
        ],
      })
      expect(second.content).toMatchObject([{ text: '3' }])
    })

    it('repeats what may succeed, and not what cannot', async () => {
      const { anthropic, key } = await clients(2)
      behave(
        'sk-ant-a',
        json(400, { type: 'error', error: { type: 'invalid_request_error', message: 'No' } }),
      )
      await expect(anthropic.messages.create(ask)).rejects.toMatchObject({ status: 400 })
      expect(stage.upstream.requests).toHaveLength(1)
      const unknown = new Anthropic({ baseURL: `${stage.host.url}/api`, apiKey: `${key}x` })
      await expect(unknown.messages.create(ask)).rejects.toMatchObject({ status: 401 })
      behave('sk-ant-a', json(529, {}), anthropicJson({ text: 'later' }))
      expect((await anthropic.messages.create(ask)).content).toMatchObject([{ text: 'later' }])
    })

    it('throws when a stream breaks off, and aborts the upstream when it is cancelled', async () => {
      const { anthropic } = await clients()
      behave('sk-ant-a', anthropicStream({ cutAfterEvents: 5 }))
      await expect(anthropic.messages.stream(ask).finalText()).rejects.toThrow()
      behave('sk-ant-a', anthropicStream({ deltas: ['a', 'b', 'c'], stallAfterEvents: 4 }))
      const stream = anthropic.messages.stream(ask)
      const over = expect(stream.done()).rejects.toThrow()
      await new Promise<void>((resolve) => stream.on('text', () => resolve()))
      stream.abort()
      await over
      expect(await stage.upstream.requests.at(-1)?.aborted).toBe(true)
    })
  })

  describe('the OpenAI SDK', () => {
    it('gets a response and its stream', async () => {
      const { openai } = await clients()
      behave('sk-o', responsesJson({ deltas: ['hello'] }))
      const response = await openai.responses.create({ model: 'gpt-5', input: 'hi' })
      expect(response.output_text).toBe('hello')
      behave('sk-o', responsesStream({ deltas: ['a', 'b'] }))
      const stream = openai.responses.stream({ model: 'gpt-5', input: 'hi' })
      expect((await stream.finalResponse()).output_text).toBe('ab')
    })

    it('gets a chat completion, and in a stream the usage only if it asks', async () => {
      const { openai } = await clients()
      behave('sk-o', chatCompletion({ deltas: ['a', 'b'] }))
      const chat = { model: 'gpt-5', messages: [{ role: 'user' as const, content: 'hi' }] }
      const whole = await openai.chat.completions.create(chat)
      expect(whole.choices[0]?.message.content).toBe('ab')
      const usages = async (options: object) => {
        const stream = await openai.chat.completions.create({ ...chat, ...options, stream: true })
        const seen: unknown[] = []
        let text = ''
        for await (const chunk of stream) {
          if (chunk.usage) seen.push(chunk.usage.completion_tokens)
          text += chunk.choices[0]?.delta.content ?? ''
        }
        expect(text).toBe('ab')
        return seen
      }
      expect(await usages({})).toEqual([])
      expect(await usages({ stream_options: { include_usage: true } })).toEqual([9])
    })

    it('lists models, and reads and deletes a stored response', async () => {
      const { openai } = await clients()
      const ids: string[] = []
      for await (const { id } of openai.models.list()) ids.push(id)
      expect(ids).toContain('gpt-5')
      behave('sk-o', responsesJson({ id: 'resp_kept' }))
      await openai.responses.create({ model: 'gpt-5', input: 'hi' })
      behave('sk-o', json(200, { id: 'resp_kept', object: 'response', output: [] }))
      await expect
        .poll(() =>
          openai.responses.retrieve('resp_kept').then(
            ({ id }) => id,
            () => '',
          ),
        )
        .toBe('resp_kept')
      behave('sk-o', json(200, { id: 'resp_kept', deleted: true }))
      await openai.responses.delete('resp_kept')
      await expect(openai.responses.retrieve('resp_other')).rejects.toMatchObject({ status: 404 })
    })

    it('repeats what may succeed, and not what cannot', async () => {
      const { openai, key } = await clients(2)
      const input = { model: 'gpt-5', input: 'hi' }
      behave('sk-o', json(400, { error: { message: 'No', type: 'invalid_request_error' } }))
      await expect(openai.responses.create(input)).rejects.toMatchObject({ status: 400 })
      expect(stage.upstream.requests).toHaveLength(1)
      const unknown = new OpenAI({ baseURL: `${stage.host.url}/openai/v1`, apiKey: `${key}x` })
      await expect(unknown.responses.create(input)).rejects.toMatchObject({
        status: 401,
        code: 'invalid_api_key',
      })
      behave('sk-o', json(429, {}, { 'retry-after': '1' }), responsesJson({ deltas: ['later'] }))
      expect((await openai.responses.create(input)).output_text).toBe('later')
    })

    it('gets an error when a stream breaks off, and aborts the upstream when it is cancelled', async () => {
      const { openai } = await clients()
      const input = { model: 'gpt-5', input: 'hi', stream: true as const }
      behave('sk-o', responsesStream({ ending: 'cut' }))
      const read = async () => {
        for await (const _ of await openai.responses.create(input));
      }
      await expect(read()).rejects.toThrow()
      behave('sk-o', hang())
      const aborting = new AbortController()
      const asked = openai.responses.create(input, { signal: aborting.signal })
      const over = expect(asked).rejects.toThrow()
      await expect.poll(() => stage.upstream.requests.length).toBe(2)
      aborting.abort()
      await over
      if (stage.host.noticesQuietLeave) {
        expect(await stage.upstream.requests.at(-1)?.aborted).toBe(true)
      }
    })
  })

  describe('the Vercel AI SDK', () => {
    it('gets text from both vendors, whole and streamed, with its usage', async () => {
      const { aiAnthropic, aiOpenAi } = await clients()
      const prompt = 'hi'
      behave('sk-ant-a', anthropicJson({ text: 'hello' }))
      behave('sk-o', responsesJson({ deltas: ['hello'] }))
      const whole = await generateText({ model: aiAnthropic(model), prompt })
      expect(whole.text).toBe('hello')
      expect((await generateText({ model: aiOpenAi('gpt-5'), prompt })).text).toBe('hello')
      behave('sk-ant-a', anthropicStream({ deltas: ['a', 'b'] }))
      behave('sk-o', responsesStream({ deltas: ['a', 'b'] }))
      for (const each of [aiAnthropic(model), aiOpenAi('gpt-5')]) {
        const streamed = streamText({ model: each, prompt })
        expect(await streamed.text).toBe('ab')
        expect((await streamed.usage).outputTokens).toBeGreaterThan(0)
      }
      behave('sk-o', chatCompletion({ deltas: ['a', 'b'] }))
      expect(await streamText({ model: aiOpenAi.chat('gpt-5'), prompt }).text).toBe('ab')
    })
  })
}
