/** Journeys of OpenAI's APIs: bytes, cost, and what a stream that breaks off leaves. */
import { describe, expect, it } from 'vitest'
import { readFixture } from '../../support/fixtures.ts'
import { chatCompletion, responsesJson, responsesStream } from '../../support/openai.ts'
import { json, sse } from '../../support/upstream.ts'
import { eventually } from '../client.ts'
import type { Stage } from '../journeys.ts'

export function openAiJourneys(stage: Stage): void {
  const ask = (path: string, key: string, fields?: object, method = 'POST') =>
    fetch(`${stage.host.url}${path}`, {
      method,
      headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
      ...(fields && { body: JSON.stringify({ model: 'gpt-5', input: 'hi', ...fields }) }),
    })
  const ready = async () => {
    await stage.addAccount('sk-o', {}, 'codex')
    return stage.admin.createKey()
  }

  describe('OpenAI', () => {
    it('streams a response byte for byte, and charges it as its last event counts it', async () => {
      const { id, key } = await ready()
      const recorded = readFixture('responses-text.sse')
      stage.upstream.behave('sk-o', sse(recorded))
      const response = await ask('/openai/v1/responses', key, { stream: true })
      expect(await response.text()).toBe(recorded)
      await eventually(async () => {
        const { total } = await stage.admin.stats(id)
        expect(total).toMatchObject({ requests: 1, inputTokens: 288, outputTokens: 27 })
      })
    })

    it('ends a stream that was cut with an error event, and charges what was seen', async () => {
      const { id, key } = await ready()
      const deltas = ['x'.repeat(400)]
      stage.upstream.behave('sk-o', responsesStream({ ending: 'cut', deltas }))
      const response = await ask('/openai/v1/responses', key, { stream: true })
      expect(await response.text()).toMatch(/event: error\ndata: .*"type":"error".*\n\n$/)
      await eventually(async () => {
        const { total } = await stage.admin.stats(id)
        expect(total).toMatchObject({ requests: 1, estimatedRequests: 1, outputTokens: 100 })
      })
    })

    it('hides the usage of a chat stream from a client that did not ask, and charges it', async () => {
      const { id, key } = await ready()
      stage.upstream.behave('sk-o', chatCompletion())
      const response = await ask('/openai/v1/chat/completions', key, { stream: true })
      const text = await response.text()
      expect(text).toMatch(/data: \[DONE\]\n\n$/)
      expect(text).not.toContain('usage')
      await eventually(async () => {
        const { total } = await stage.admin.stats(id)
        expect(total).toMatchObject({ requests: 1, outputTokens: 9, estimatedRequests: 0 })
      })
    })

    it('reads and deletes a response at the account that issued it', async () => {
      const { key } = await ready()
      stage.upstream.behave('sk-o', responsesJson({ id: 'resp_one' }))
      await (await ask('/openai/v1/responses', key, {})).text()
      stage.upstream.behave('sk-o', json(200, { id: 'resp_one', object: 'response' }))
      await eventually(async () => {
        expect((await ask('/openai/v1/responses/resp_one', key, undefined, 'GET')).status).toBe(200)
      })
      const gone = await ask('/openai/v1/responses/resp_one', key, undefined, 'DELETE')
      expect(gone.status).toBe(200)
      expect(stage.upstream.requests.at(-1)).toMatchObject({
        method: 'DELETE',
        path: '/v1/responses/resp_one',
      })
    })

    it('counts tokens without charging them', async () => {
      await stage.addAccount('sk-ant-a')
      const { id, key } = await ready()
      stage.upstream.behave('sk-ant-a', json(200, { input_tokens: 7 }))
      stage.upstream.behave('sk-o', json(200, { input_tokens: 8 }))
      const messages = await ask('/v1/messages/count_tokens', key, { messages: [] })
      expect(await messages.json()).toEqual({ input_tokens: 7 })
      const responses = await ask('/openai/v1/responses/input_tokens', key, {})
      expect(await responses.json()).toEqual({ input_tokens: 8 })
      expect((await stage.admin.stats(id)).total.requests).toBe(0)
    })
  })
}
