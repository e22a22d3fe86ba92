/** Journeys of a request that is served: its bytes, its cost, its end. */
import { randomBytes } from 'node:crypto'
import Anthropic from '@anthropic-ai/sdk'
import { describe, expect, it } from 'vitest'
import { readFixture } from '../../support/fixtures.ts'
import { after, anthropicJson, anthropicStream, bytes, hang, sse } from '../../support/upstream.ts'
import { eventually, messageBody, sendAndReset, sendMessage } from '../client.ts'
import type { Stage } from '../journeys.ts'

export function relayJourneys(stage: Stage): void {
  describe('relaying', () => {
    it('passes request and response bytes untouched, whatever they hold', async () => {
      await stage.addAccount('sk-ant-a')
      const { key } = await stage.admin.createKey()
      const asked = `{ "stream" : false,\n\t"x_unknown":[1.50,{"é":"\\ud83d\\ude00 😀"}], "model":"claude-x",  "messages":[] }\n`
      const answered = Buffer.from(`{"type":"message" ,"z":1.0,"text":"ü😀","usage":{}}\n`)
      const headers = { 'content-type': 'application/json; charset=utf-8', 'x-new': 'kept' }
      stage.upstream.behave('sk-ant-a', bytes(200, headers, answered))
      const response = await sendMessage(stage.host, key, asked, {
        headers: { 'anthropic-beta': 'unknown-1, unknown-2', 'anthropic-version': '2099-01-01' },
        path: '/v1/messages?beta=true',
      })
      expect(response.status).toBe(200)
      expect(Buffer.from(await response.arrayBuffer())).toEqual(answered)
      expect(response.headers.get('x-new')).toBe('kept')
      const request = stage.upstream.requests[0]
      expect(request?.body.toString()).toBe(asked)
      expect(request?.path).toBe('/v1/messages?beta=true')
      expect(request?.headers).toMatchObject({
        'anthropic-beta': 'unknown-1, unknown-2',
        'anthropic-version': '2099-01-01',
        'accept-encoding': 'identity',
        'x-api-key': 'sk-ant-a',
      })
      expect(JSON.stringify(request?.headers)).not.toContain(key)
    })

    it('passes 5 MB of content both ways', async () => {
      await stage.addAccount('sk-ant-a')
      const { key } = await stage.admin.createKey()
      const content = randomBytes(2_500_000).toString('hex')
      const answered = Buffer.from(JSON.stringify({ type: 'message', content }))
      stage.upstream.behave(
        'sk-ant-a',
        bytes(200, { 'content-type': 'application/json' }, answered),
      )
      const asked = messageBody({ messages: [{ role: 'user', content }] })
      const response = await sendMessage(stage.host, key, asked)
      expect(Buffer.from(await response.arrayBuffer()).equals(answered)).toBe(true)
      expect(stage.upstream.requests[0]?.body.toString() === asked).toBe(true)
    })

    it('replaces exactly the bytes of the model when the account renames it', async () => {
      await stage.addAccount('sk-ant-a', { supportedModels: { asked: 'sent-upstream' } })
      const { key } = await stage.admin.createKey()
      stage.upstream.behave('sk-ant-a', anthropicJson())
      const asked = `{"messages":[{"role":"user","content":"asked"}],  "model" : "asked" ,"max_tokens":1}`
      expect((await sendMessage(stage.host, key, asked)).status).toBe(200)
      expect(stage.upstream.requests[0]?.body.toString()).toBe(
        asked.replace('"model" : "asked"', '"model" : "sent-upstream"'),
      )
    })

    it.each(['anthropic-text', 'anthropic-keepalive-comments', 'anthropic-delta-output-only'])(
      'streams %s byte for byte',
      async (name) => {
        await stage.addAccount('sk-ant-a')
        const { key } = await stage.admin.createKey()
        const recorded = readFixture(`${name}.sse`)
        stage.upstream.behave('sk-ant-a', sse(recorded))
        const response = await sendMessage(stage.host, key, messageBody({ stream: true }))
        expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/)
        expect(await response.text()).toBe(recorded.toString())
      },
    )

    it('charges a JSON answer once, with every kind of token and its cost', async () => {
      await stage.addAccount('sk-ant-a')
      const { id, key } = await stage.admin.createKey()
      const usage = {
        input_tokens: 1000,
        output_tokens: 500,
        cache_creation_input_tokens: 300,
        cache_read_input_tokens: 2000,
      }
      stage.upstream.behave('sk-ant-a', anthropicJson({ usage }))
      await sendMessage(stage.host, key)
      const stats = await eventually(async () => {
        const read = await stage.admin.stats(id)
        expect(read.total.requests).toBe(1)
        return read
      })
      // Sonnet 4.5: 3, 15, 3.75 and 0.30 USD per million.
      const costUsd = 0.003 + 0.0075 + 0.001125 + 0.0006
      expect(stats.total).toMatchObject({
        inputTokens: 1000,
        outputTokens: 500,
        cacheCreateTokens: 300,
        cacheReadTokens: 2000,
        estimatedRequests: 0,
      })
      expect(stats.total.costUsd).toBeCloseTo(costUsd, 9)
      expect(stats.daily).toEqual(stats.total)
      expect(stats.monthly).toEqual(stats.total)
    })

    it.each(['event', 'byte', 'random'] as const)(
      'charges a stream once, however it is cut into chunks: by %s',
      async (chunking) => {
        await stage.addAccount('sk-ant-a')
        const { id, key } = await stage.admin.createKey()
        const usage = { input_tokens: 12, output_tokens: 40, cache_read_input_tokens: 5 }
        const deltas = ['Grüße', ' 😀', ' end']
        stage.upstream.behave('sk-ant-a', anthropicStream({ usage, deltas, chunking }))
        const response = await sendMessage(stage.host, key, messageBody({ stream: true }))
        expect(await response.text()).toContain('message_stop')
        await eventually(async () =>
          expect((await stage.admin.stats(id)).total).toMatchObject({
            requests: 1,
            inputTokens: 12,
            outputTokens: 40,
            cacheReadTokens: 5,
            estimatedRequests: 0,
          }),
        )
      },
    )

    it('serves the real Anthropic SDK, JSON and stream', async () => {
      await stage.addAccount('sk-ant-a')
      const { key } = await stage.admin.createKey()
      stage.upstream.behave('sk-ant-a', anthropicJson({ text: 'whole' }), anthropicStream())
      const client = new Anthropic({ baseURL: `${stage.host.url}/api`, apiKey: key, maxRetries: 0 })
      const params = {
        model: 'claude-sonnet-4-6',
        max_tokens: 64,
        messages: [{ role: 'user' as const, content: 'hi' }],
      }
      const message = await client.messages.create(params)
      expect(message.content[0]).toMatchObject({ type: 'text', text: 'whole' })
      const final = await client.messages.stream(params).finalMessage()
      expect(final.content[0]).toMatchObject({ type: 'text', text: 'Hi from mock.' })
    })

    it('aborts the upstream at once when the client leaves a stream, and charges what was seen', async () => {
      await stage.addAccount('sk-ant-a')
      const { id, key } = await stage.admin.createKey({ concurrencyLimit: 1 })
      const deltas = Array.from({ length: 500 }, () => 'twelve chars')
      stage.upstream.behave('sk-ant-a', anthropicStream({ deltas, delayMs: 10 }), anthropicJson())
      const leave = new AbortController()
      const body = messageBody({ stream: true })
      const response = await sendMessage(stage.host, key, body, { signal: leave.signal })
      const reader = response.body?.getReader()
      for (let chunks = 0; chunks < 10; chunks++) await reader?.read()
      leave.abort()
      expect(await stage.upstream.requests[0]?.aborted).toBe(true)
      const { total } = await eventually(async () => {
        const read = await stage.admin.stats(id)
        expect(read.total.requests).toBe(1)
        return read
      })
      expect(total.estimatedRequests).toBe(1)
      expect(total.inputTokens).toBe(12)
      expect(total.outputTokens).toBeGreaterThan(3)
      expect((await sendMessage(stage.host, key)).status).toBe(200)
    })

    it('aborts the upstream and releases the lease when a client resets before any answer', async () => {
      await stage.addAccount('sk-ant-a')
      const { id, key } = await stage.admin.createKey({ concurrencyLimit: 1 })
      stage.upstream.behave('sk-ant-a', hang(), anthropicJson())
      const reset = sendAndReset(stage.host, key)
      await eventually(async () => expect(stage.upstream.requests).toHaveLength(1))
      reset()
      expect(await stage.upstream.requests[0]?.aborted).toBe(true)
      await eventually(async () =>
        expect((await stage.admin.stats(id)).total.estimatedRequests).toBe(1),
      )
      expect((await sendMessage(stage.host, key)).status).toBe(200)
    })

    it('charges once, and releases the lease, when a client closes quietly before any answer', async () => {
      await stage.addAccount('sk-ant-a')
      const { id, key } = await stage.admin.createKey({ concurrencyLimit: 1 })
      const { noticesQuietLeave } = stage.host
      const answer = noticesQuietLeave ? hang() : after(300, anthropicJson())
      stage.upstream.behave('sk-ant-a', answer, anthropicJson())
      const leave = new AbortController()
      const asked = sendMessage(stage.host, key, messageBody(), { signal: leave.signal })
      await eventually(async () => expect(stage.upstream.requests).toHaveLength(1))
      leave.abort()
      await expect(asked).rejects.toThrow()
      const estimatedRequests = noticesQuietLeave ? 1 : 0
      await eventually(async () =>
        expect((await stage.admin.stats(id)).total).toMatchObject({
          requests: 1,
          estimatedRequests,
        }),
      )
      expect((await sendMessage(stage.host, key)).status).toBe(200)
    })

    it.each([
      ['is cut', { cutAfterEvents: 5 }],
      ['ends too soon', { endAfterEvents: 5 }],
      ['falls silent', { stallAfterEvents: 5 }],
    ])(
      'ends a stream that %s with an error event of its own, and charges what was seen',
      async (_, script) => {
        await stage.addAccount('sk-ant-a')
        const { id, key } = await stage.admin.createKey()
        stage.upstream.behave('sk-ant-a', anthropicStream({ ...script, delayMs: 2 }))
        const response = await sendMessage(stage.host, key, messageBody({ stream: true }))
        const events = (await response.text()).split('\n\n').map((event) => event.split('\n')[0])
        expect(events.slice(-3)).toEqual(['event: content_block_delta', 'event: error', ''])
        await eventually(async () =>
          expect((await stage.admin.stats(id)).total).toMatchObject({
            requests: 1,
            inputTokens: 12,
            estimatedRequests: 1,
          }),
        )
      },
    )

    it('passes an error event of the upstream on, without one of its own', async () => {
      await stage.addAccount('sk-ant-a')
      const { key } = await stage.admin.createKey()
      const recorded = readFixture('anthropic-error-midstream.sse')
      stage.upstream.behave('sk-ant-a', sse(recorded))
      const response = await sendMessage(stage.host, key, messageBody({ stream: true }))
      expect(await response.text()).toBe(recorded.toString())
    })
  })
}
