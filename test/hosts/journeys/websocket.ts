/** Journeys of the WebSocket of Responses: one account for each socket, and every response settled by itself. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { readFixture } from '../../support/fixtures.ts'
import { responsesJson } from '../../support/openai.ts'
import {
  openSocketClient,
  type SocketUpstream,
  socketResponse,
  startSocketUpstream,
} from '../../support/socket-upstream.ts'
import { eventually } from '../client.ts'
import type { Stage } from '../journeys.ts'

export function websocketJourneys(stage: Stage): void {
  describe('the WebSocket of Responses', () => {
    let upstream: SocketUpstream

    beforeAll(async () => {
      upstream = await startSocketUpstream()
    })
    afterAll(() => upstream.close())
    beforeEach(() => {
      upstream.sockets.length = 0
      upstream.behave((message, socket) => socketResponse(socket, message))
    })

    const ready = async (fields: object = {}, account: object = {}) => {
      await stage.addAccount('sk-ws', { apiUrl: upstream.url, ...account }, 'codex')
      return stage.admin.createKey({ ...fields })
    }
    const open = (key: string, headers: Record<string, string> = {}) =>
      openSocketClient(`${stage.host.url}/openai/v1/responses`, key, headers)
    const create = (fields: object = {}) => ({
      type: 'response.create',
      model: 'gpt-5',
      input: [],
      ...fields,
    })
    const charged = (id: string, expected: object) =>
      eventually(async () => expect((await stage.admin.stats(id)).total).toMatchObject(expected))
    const statusOf = (path: string, headers: Record<string, string>) =>
      openSocketClient(stage.host.url + path, '', headers).then(
        () => 101,
        ({ message }: Error) => Number(message),
      )

    it('passes messages as they are, and charges each response', async () => {
      const { id, key } = await ready()
      const client = await open(key, {
        'session-id': 's1',
        'openai-beta': 'responses_websockets=x',
      })
      client.send(create({ previous_response_id: 'resp_0', x: 1.5 }))
      await client.received('response.completed')
      client.send(create({ previous_response_id: 'resp_ws' }))
      await client.received('response.completed', 2)
      const [socket] = upstream.sockets
      expect(socket?.texts).toEqual([
        JSON.stringify(create({ previous_response_id: 'resp_0', x: 1.5 })),
        JSON.stringify(create({ previous_response_id: 'resp_ws' })),
      ])
      expect(socket?.path).toBe('/v1/responses')
      expect(socket?.headers).toMatchObject({
        authorization: 'Bearer sk-ws',
        'session-id': 's1',
        'openai-beta': 'responses_websockets=x',
      })
      expect(JSON.stringify(socket?.headers)).not.toContain(key)
      await charged(id, { requests: 2, inputTokens: 24, outputTokens: 14, estimatedRequests: 0 })
      client.close()
      await client.closed
    })

    it('gives the model the name that the account has for it', async () => {
      const { key } = await ready({}, { supportedModels: { asked: 'sent' } })
      const client = await open(key)
      client.send(create({ model: 'asked' }))
      await client.received('response.completed')
      expect(upstream.sockets[0]?.texts[0]).toBe(JSON.stringify(create({ model: 'sent' })))
      client.close()
    })

    it('runs several responses on lanes of one socket, and passes what steers them', async () => {
      const { id, key } = await ready()
      const begun: Record<string, unknown>[] = []
      upstream.behave((message, socket) => {
        if (message.type === 'response.steer') {
          for (const each of begun) socketResponse(socket, each)
        } else {
          begun.push(message)
        }
      })
      const client = await open(key)
      client.send(create({ stream_id: 'one' }))
      client.send(create({ stream_id: 'two' }))
      await eventually(async () => expect(begun).toHaveLength(2))
      client.send({ type: 'response.steer', stream_id: 'one', input: [] })
      await client.received('response.completed', 2)
      expect(client.messages.map(({ stream_id: lane }) => lane)).toContain('two')
      await charged(id, { requests: 2, outputTokens: 14, estimatedRequests: 0 })
      client.close()
    })

    it('refuses a response over a limit in a message, and the socket goes on', async () => {
      const { id, key } = await ready({ rateLimitWindow: 1, rateLimitRequests: 1 })
      const client = await open(key)
      client.send(create())
      await client.received('response.completed')
      client.send(create({ stream_id: 'two' }))
      expect(await client.received('error')).toMatchObject({
        status: 429,
        error: { code: 'rate_limit_exceeded' },
        stream_id: 'two',
      })
      await stage.admin.request('PUT', `/keys/${id}`, { rateLimitWindow: 0, rateLimitRequests: 0 })
      client.send(create())
      await client.received('response.completed', 2)
      expect(upstream.sockets).toHaveLength(1)
      client.close()
    })

    it('refuses the next response of a key that was deleted, of a model that is not allowed, and what is no request', async () => {
      const { id, key } = await ready({ enableModelRestriction: true, restrictedModels: ['gpt-5'] })
      const client = await open(key)
      client.send(create({ model: 'gpt-4' }))
      expect(await client.received('error')).toMatchObject({
        status: 400,
        error: { code: 'model_not_permitted' },
      })
      client.send(create({ background: true }))
      expect(await client.received('error', 2)).toMatchObject({ error: { param: 'background' } })
      client.send([])
      expect(await client.received('error', 3)).toMatchObject({ status: 400 })
      await stage.admin.deleteKey(id)
      client.send(create())
      expect(await client.received('error', 4)).toMatchObject({ status: 401 })
      expect(upstream.sockets[0]?.texts).toEqual([])
      client.close()
    })

    it('charges nothing for a message that only prepares the cache', async () => {
      const { id, key } = await ready()
      upstream.behave((message, socket) =>
        socketResponse(socket, message, { deltas: [], usage: null }),
      )
      const client = await open(key)
      client.send(create({ generate: false }))
      await client.received('response.completed')
      await charged(id, { requests: 1, inputTokens: 0, outputTokens: 0, costUsd: 0 })
      client.close()
    })

    it('tells of an upstream that breaks off, closes, and charges what was seen', async () => {
      const { id, key } = await ready()
      upstream.behave((message, socket) => {
        socketResponse(socket, message, { deltas: ['x'.repeat(400)], until: 2 })
        setImmediate(() => socket.terminate())
      })
      const client = await open(key)
      client.send(create())
      expect(await client.received('error')).toMatchObject({
        error: { message: expect.stringContaining('broke off') },
      })
      expect(await client.closed).toBe(1011)
      await charged(id, { requests: 1, estimatedRequests: 1, outputTokens: 100 })
    })

    it('takes names in another case for the same, and refuses a message that has one twice', async () => {
      const { id, key } = await ready()
      const client = await open(key)
      const { type, ...fields } = create()
      client.send({ Type: type, ...fields })
      await charged(id, { requests: 1 })
      client.send({ ...create(), Type: 'response.steer' })
      expect(await client.received('error')).toMatchObject({
        status: 400,
        error: { message: expect.stringContaining('"type" occurs more than once') },
      })
      expect(upstream.sockets[0]?.texts).toHaveLength(1)
      client.close()
    })

    it('ends the upstream when its client leaves, and charges what was seen', async () => {
      const { id, key } = await ready()
      upstream.behave((message, socket) =>
        socketResponse(socket, message, { deltas: ['x'.repeat(400)], until: 2 }),
      )
      const client = await open(key)
      client.send(create())
      await client.received('response.output_text.delta')
      client.close()
      await client.closed
      await charged(id, { requests: 1, estimatedRequests: 1, outputTokens: 100 })
      await eventually(async () => expect(upstream.sockets[0]?.socket.readyState).toBe(3))
    })

    it('hides the credential where the upstream quotes it in an error', async () => {
      const { key } = await ready()
      upstream.behave((_, socket) => {
        const error = { code: 'invalid_api_key', message: 'Wrong key: sk-ws-long-enough' }
        socket.send(JSON.stringify({ type: 'error', status: 401, error }))
      })
      await stage.clearAccounts()
      await stage.addAccount('sk-ws-long-enough', { apiUrl: upstream.url }, 'codex')
      const client = await open(key)
      client.send(create())
      const told = await client.received('error')
      expect(JSON.stringify(told)).not.toContain('sk-ws-long-enough')
      client.close()
    })

    it('is refused with 426 where no account opens one, which harms none', async () => {
      await stage.addAccount('sk-http', {}, 'codex')
      const { key } = await stage.admin.createKey()
      const headers = { authorization: `Bearer ${key}` }
      expect(await statusOf('/openai/v1/responses', headers)).toBe(426)
      const answer = await stage.admin.request('GET', '/accounts/codex')
      expect(answer.json.data[0].health.status).toBe('healthy')
    })

    it('refuses what another account issued in a message, and the socket goes on', async () => {
      await stage.addAccount('sk-http', { priority: 1 }, 'codex')
      stage.upstream.behave('sk-http', responsesJson({ id: 'resp_http' }))
      const { id, key } = await ready()
      const response = await fetch(`${stage.host.url}/openai/v1/responses`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'gpt-5', input: 'hi' }),
      })
      expect(response.status).toBe(200)
      await charged(id, { requests: 1 })
      const client = await open(key)
      client.send(create({ previous_response_id: 'resp_http' }))
      expect(await client.received('error')).toMatchObject({
        status: 400,
        error: {
          code: 'previous_response_not_found',
          message: expect.stringContaining('is not the one of this WebSocket'),
        },
      })
      client.send(create())
      await client.received('response.completed')
      expect(upstream.sockets[0]?.texts).toHaveLength(1)
      client.close()
    })

    it('is opened to the program that a key is for, and to no other', async () => {
      const restriction = { enableClientRestriction: true, allowedClients: ['codex'] }
      const { key } = await ready(restriction)
      const { request } = JSON.parse(readFixture('codex-0.169.0-ws-upgrade.json'))
      const own = Object.entries<string>(request.headers).filter(
        ([name]) => !/^(host|connection|upgrade|authorization|sec-websocket-.*)$/i.test(name),
      )
      const client = await open(key, Object.fromEntries(own))
      client.close()
      await expect(open(key, { originator: 'codex_exec' })).rejects.toThrow('403')
      expect(upstream.sockets).toHaveLength(1)
    })

    it('is refused to an unknown key, and at any other path', async () => {
      await ready()
      const headers = { authorization: 'Bearer cr_unknown' }
      expect(await statusOf('/openai/v1/responses', headers)).toBe(401)
      expect(await statusOf('/openai/v1/other', headers)).toBe(404)
      const plain = await fetch(`${stage.host.url}/openai/v1/responses`, { headers })
      expect(plain.status).toBe(426)
    })
  })
}
