/** Journeys of requests that are wrong: each gets the right answer, and leaves nothing behind. */
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { anthropicJson } from '../../support/upstream.ts'
import { messageBody, sendMessage } from '../client.ts'
import type { Stage } from '../journeys.ts'

const wrong: [name: string, body: string, status: number, type: string, says: RegExp][] = [
  ['nothing', '', 400, 'invalid_request_error', /JSON/],
  ['half a JSON', '{"model":"m","mess', 400, 'invalid_request_error', /JSON/],
  ['no object', '[1]', 400, 'invalid_request_error', /object/],
  ['no model', '{"messages":[]}', 400, 'invalid_request_error', /model/],
  ['a model that is no text', '{"model":7}', 400, 'invalid_request_error', /model/],
  ['two models', '{"model":"a","\\u006dodel":"b"}', 400, 'invalid_request_error', /model/],
  [
    'two streams',
    '{"model":"a","stream":true,"stream":false}',
    400,
    'invalid_request_error',
    /stream/,
  ],
  ['50 MB', 'x'.repeat(50 * 1024 * 1024), 413, 'request_too_large', /larger than/],
]

const errorOf = async (response: Response) =>
  ((await response.json()) as { error: { type: string; message: string } }).error

export function inputJourneys(stage: Stage): void {
  describe('bad input', () => {
    it.each(wrong)('a body with %s is refused', async (_, body, status, type, says) => {
      await stage.addAccount('sk-ant-a')
      const { id, key } = await stage.admin.createKey({ concurrencyLimit: 1 })
      const response = await sendMessage(stage.host, key, body)
      expect(response.status).toBe(status)
      const answer = await response.json()
      expect(answer).toEqual({
        type: 'error',
        error: { type, message: expect.stringMatching(says) },
        request_id: response.headers.get('x-request-id'),
      })
      expect(stage.upstream.requests).toHaveLength(0)
      expect((await stage.admin.stats(id)).total.requests).toBe(0)
      stage.upstream.behave('sk-ant-a', anthropicJson())
      expect((await sendMessage(stage.host, key)).status).toBe(200)
    })

    it.each([
      ['text/plain', {}],
      ['application/json', { 'content-encoding': 'compress' }],
    ])('content of type %s %o is refused with 415', async (type, headers) => {
      await stage.addAccount('sk-ant-a')
      const { key } = await stage.admin.createKey()
      const options = { headers: { 'content-type': type, ...headers } }
      expect((await sendMessage(stage.host, key, messageBody(), options)).status).toBe(415)
    })

    it('a body in gzip reaches the account as it was; cut off, joined or too long it is refused', async () => {
      await stage.addAccount('sk-ant-a')
      stage.upstream.behave('sk-ant-a', anthropicJson())
      const { key } = await stage.admin.createKey()
      const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' }
      const send = async (body: Buffer) => {
        const init = { method: 'POST', headers: { ...headers, 'x-api-key': key } }
        const request = { ...init, body: new Uint8Array(body) }
        return (await fetch(`${stage.host.url}/v1/messages`, request)).status
      }
      const whole = gzipSync(messageBody())
      expect(await send(whole)).toBe(200)
      expect(stage.upstream.requests[0]?.body.toString()).toBe(messageBody())
      expect(await send(whole.subarray(0, -3))).toBe(400)
      expect(await send(Buffer.concat([whole, whole]))).toBe(400)
      expect(await send(gzipSync(Buffer.alloc(80 * 1024 * 1024, ' ')))).toBe(413)
      expect(await send(whole)).toBe(200)
    })

    it('takes the key from either header, and the one that is known when both are sent', async () => {
      await stage.addAccount('sk-ant-a')
      stage.upstream.behave('sk-ant-a', anthropicJson())
      const { key } = await stage.admin.createKey()
      const send = async (headers: Record<string, string>) => {
        const response = await fetch(`${stage.host.url}/v1/messages`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', ...headers },
          body: messageBody(),
        })
        return response.status
      }
      expect(await send({ 'x-api-key': key })).toBe(200)
      expect(await send({ authorization: `Bearer ${key}` })).toBe(200)
      expect(await send({ 'x-api-key': 'cr_wrong', authorization: `Bearer ${key}` })).toBe(200)
      expect(await send({})).toBe(401)
    })

    it('refuses unknown, deleted, disabled and expired keys with 401, and asks not to retry', async () => {
      await stage.addAccount('sk-ant-a')
      stage.upstream.behave('sk-ant-a', anthropicJson())
      const deleted = await stage.admin.createKey()
      expect((await sendMessage(stage.host, deleted.key)).status).toBe(200)
      await stage.admin.deleteKey(deleted.id)
      const disabled = await stage.admin.createKey({ isActive: false })
      const expired = await stage.admin.createKey({ expiresAt: '2020-01-01T00:00:00Z' })
      for (const key of ['cr_unknown', deleted.key, disabled.key, expired.key]) {
        const response = await sendMessage(stage.host, key)
        expect(response.status).toBe(401)
        expect(response.headers.get('x-should-retry')).toBe('false')
        expect((await errorOf(response)).type).toBe('authentication_error')
      }
    })

    it('refuses a key without the permission with 403', async () => {
      await stage.addAccount('sk-ant-a')
      const { key } = await stage.admin.createKey({ permissions: 'codex' })
      const response = await sendMessage(stage.host, key)
      expect(response.status).toBe(403)
      expect((await errorOf(response)).message).toMatch(/permission/)
    })

    it('says 503 when no account can serve the model, and asks not to retry', async () => {
      const { key } = await stage.admin.createKey()
      expect((await sendMessage(stage.host, key)).status).toBe(503)
      await stage.addAccount('sk-ant-a', { supportedModels: ['another'] })
      const response = await sendMessage(stage.host, key)
      expect(response.status).toBe(503)
      expect(response.headers.get('x-should-retry')).toBe('false')
      expect((await errorOf(response)).message).toMatch(
        /No upstream account .* serves this model \(supportedModels\)/,
      )
    })

    it('answers unknown paths with 404 in the envelope', async () => {
      const response = await fetch(`${stage.host.url}/api/v1/nothing`, { method: 'POST' })
      expect(response.status).toBe(404)
      expect(await response.json()).toMatchObject({
        type: 'error',
        error: { type: 'not_found_error' },
      })
    })

    it('echoes a sane request id and makes one otherwise', async () => {
      await stage.addAccount('sk-ant-a')
      stage.upstream.behave('sk-ant-a', anthropicJson())
      const { key } = await stage.admin.createKey()
      const ask = async (id: string) => {
        const headers = { 'x-request-id': id }
        const response = await fetch(`${stage.host.url}/health`, { headers })
        const message = await sendMessage(stage.host, key, messageBody(), { headers })
        expect(message.status).toBe(200)
        const [first, second] = [response, message].map((one) => one.headers.get('x-request-id'))
        expect(second === id).toBe(first === id)
        expect(second).not.toBeNull()
        return first
      }
      expect(await ask('my-id-1')).toBe('my-id-1')
      expect(await ask('a b<script>')).toMatch(/^[0-9a-f-]{36}$/)
    })
  })
}
