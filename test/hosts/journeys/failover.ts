/** Journeys in which an account fails and the client must not notice. */
import { describe, expect, it } from 'vitest'
import {
  anthropicJson,
  anthropicStream,
  type Behaviour,
  halfJson,
  hang,
  html,
  json,
  reset,
  sse,
} from '../../support/upstream.ts'
import { eventually, messageBody, sendMessage } from '../client.ts'
import type { Stage } from '../journeys.ts'

const apiError = (type: string, message: string) => ({ type: 'error', error: { type, message } })

const resetConnection = reset()

const failures: [name: string, behaviour: Behaviour, stream: boolean, reason: string][] = [
  ['a reset connection', resetConnection, false, 'connect_failed'],
  ['no headers in time', hang(), true, 'timeout'],
  ['401', json(401, apiError('authentication_error', 'no')), false, 'account_refused'],
  ['402', json(402, apiError('billing_error', 'no')), false, 'account_refused'],
  ['403', json(403, apiError('permission_error', 'no')), false, 'account_refused'],
  ['408', json(408, apiError('timeout_error', 'no')), false, 'timeout'],
  ['429', json(429, apiError('rate_limit_error', 'no')), false, 'rate_limited'],
  ['500', json(500, apiError('api_error', 'no')), false, 'server_error'],
  ['an HTML 502', html(502), false, 'server_error'],
  ['503 on a stream', json(503, apiError('api_error', 'no')), true, 'server_error'],
  ['529', json(529, apiError('overloaded_error', 'no')), true, 'overloaded'],
  ['a redirect', json(302, {}, { location: 'http://127.0.0.1:9/' }), false, 'bad_answer'],
  ['an HTML 404', html(404), false, 'bad_answer'],
  [
    'a 400 that says the account has no credit',
    json(400, apiError('invalid_request_error', 'Your credit balance is too low to access')),
    false,
    'account_refused',
  ],
  ['a 200 with an HTML page', html(200), false, 'bad_answer'],
  ['a 200 with half a JSON', halfJson({ matchingLength: true }), false, 'bad_answer'],
  ['a 200 cut half-way', halfJson({ matchingLength: false }), false, 'connect_failed'],
  ['a 200 with an error in it', json(200, apiError('api_error', 'no')), false, 'overloaded'],
  [
    'a stream whose first event is an error',
    anthropicStream({ errorFirst: true }),
    true,
    'overloaded',
  ],
  [
    'a stream that errors before content',
    anthropicStream({ errorAfterEvents: 1 }),
    true,
    'overloaded',
  ],
  ['a stream that ends before content', anthropicStream({ endAfterEvents: 1 }), true, 'overloaded'],
  [
    'a stream that is cut before content',
    anthropicStream({ cutAfterEvents: 1 }),
    true,
    'connect_failed',
  ],
  ['a stream that is empty', sse(''), true, 'overloaded'],
  [
    'a stream that falls silent before content',
    anthropicStream({ stallAfterEvents: 1 }),
    true,
    'overloaded',
  ],
  [
    'a stream whose error says that the account is limited',
    sse(`event: error\ndata: ${JSON.stringify(apiError('rate_limit_error', 'no'))}\n\n`),
    true,
    'rate_limited',
  ],
  ['no JSON in time', hang(), false, 'timeout'],
  [
    'a 400 that says the organisation is disabled',
    json(400, apiError('invalid_request_error', 'This organization has been disabled.')),
    false,
    'account_refused',
  ],
  [
    'a 429 that says the account is over its spend',
    json(429, { error: { code: 'insufficient_quota', message: 'no', type: 'insufficient_quota' } }),
    false,
    'account_refused',
  ],
]

export function failoverJourneys(stage: Stage): void {
  describe('failover', () => {
    it.each(failures)(
      '%s is answered by the next account',
      async (_, behaviour, stream, reason) => {
        const failing = await stage.addAccount('sk-ant-a', { priority: 1 })
        await stage.addAccount('sk-ant-b', { priority: 2 })
        const { id, key } = await stage.admin.createKey()
        stage.upstream.behave('sk-ant-a', behaviour)
        stage.upstream.behave('sk-ant-b', stream ? anthropicStream() : anthropicJson())
        const body = messageBody({ stream, max_tokens: 1 })
        const response = await sendMessage(stage.host, key, body)
        expect(response.status).toBe(200)
        const text = await response.text()
        expect(text.match(/msg_mock001/g)).toHaveLength(1)
        const asked = stage.upstream.requests.map((request) => request.credential)
        // A reset of a connection that was used before is first taken for its end while it was idle.
        const isRepeat = (credential: string, index: number) =>
          behaviour === resetConnection && credential === asked[index - 1]
        expect(asked.filter((credential, index) => !isRepeat(credential, index))).toEqual([
          'sk-ant-a',
          'sk-ant-b',
        ])
        const account = await stage.admin.account(failing)
        expect(account.health).toMatchObject({ status: 'cooling', reason })
        await eventually(async () =>
          expect((await stage.admin.stats(id)).total).toMatchObject({
            requests: 1,
            inputTokens: 12,
          }),
        )
      },
    )

    it('a connection that is refused is answered by the next account', async () => {
      await stage.addAccount('sk-ant-a', { priority: 1, apiUrl: 'http://127.0.0.1:1' })
      await stage.addAccount('sk-ant-b', { priority: 2 })
      const { key } = await stage.admin.createKey()
      stage.upstream.behave('sk-ant-b', anthropicJson())
      expect((await sendMessage(stage.host, key)).status).toBe(200)
    })

    it('keeps away from a cooling account until the time that it named', async () => {
      const limited = await stage.addAccount('sk-ant-a', { priority: 1 })
      await stage.addAccount('sk-ant-b', { priority: 2 })
      const { key } = await stage.admin.createKey()
      const tooMany = json(429, apiError('rate_limit_error', 'no'), { 'retry-after': '2' })
      stage.upstream.behave('sk-ant-a', tooMany, anthropicJson())
      stage.upstream.behave('sk-ant-b', anthropicJson())
      const send = (session: string) =>
        sendMessage(stage.host, key, messageBody(), {
          headers: { 'x-claude-code-session-id': session },
        })
      for (const session of ['s1', 's1', 's2']) await send(session)
      const credentials = () => stage.upstream.requests.map((request) => request.credential)
      expect(credentials()).toEqual(['sk-ant-a', 'sk-ant-b', 'sk-ant-b', 'sk-ant-b'])
      const { until } = (await stage.admin.account(limited)).health
      const cooldownMs = Math.max(0, Date.parse(until) - Date.now())
      await new Promise((resolve) => setTimeout(resolve, cooldownMs + 20))
      await send('s3')
      expect(credentials().at(-1)).toBe('sk-ant-a')
      await eventually(async () =>
        expect((await stage.admin.account(limited)).health.status).toBe('healthy'),
      )
    })

    it('tries at most five accounts, each once, and then answers in its own words', async () => {
      for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) {
        await stage.addAccount(`sk-ant-${name}`)
        const secret = apiError('api_error', `secret at ${stage.upstream.url}`)
        stage.upstream.behave(`sk-ant-${name}`, json(500, secret))
      }
      const { id, key } = await stage.admin.createKey({ concurrencyLimit: 1 })
      const response = await sendMessage(stage.host, key)
      expect(response.status).toBe(503)
      expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0)
      const text = await response.text()
      expect(JSON.parse(text)).toMatchObject({ type: 'error', error: { type: 'api_error' } })
      expect(text).not.toContain('secret')
      const credentials = stage.upstream.requests.map((request) => request.credential)
      expect(new Set(credentials).size).toBe(5)
      expect(credentials).toHaveLength(5)
      // Nothing was consumed, and nothing stays taken.
      expect((await stage.admin.stats(id)).total.requests).toBe(0)
      await eventually(async () =>
        expect((await sendMessage(stage.host, key)).status).not.toBe(429),
      )
    })

    it.each([400, 404, 413, 422])("passes the upstream's own %i on as it is", async (status) => {
      await stage.addAccount('sk-ant-a')
      const { id, key } = await stage.admin.createKey()
      const body = { ...apiError('invalid_request_error', 'prompt is too long'), extra: 1 }
      stage.upstream.behave('sk-ant-a', json(status, body, { 'request-id': 'req_1' }))
      const response = await sendMessage(stage.host, key)
      expect(response.status).toBe(status)
      expect(await response.text()).toBe(JSON.stringify(body))
      expect(response.headers.get('request-id')).toBe('req_1')
      expect(stage.upstream.requests).toHaveLength(1)
      expect((await stage.admin.stats(id)).total.requests).toBe(0)
    })

    it('never shows the upstream headers that tell about its own accounts', async () => {
      await stage.addAccount('sk-ant-a')
      const { key } = await stage.admin.createKey()
      stage.upstream.behave(
        'sk-ant-a',
        json(
          200,
          { type: 'message' },
          {
            'anthropic-organization-id': 'org',
            'anthropic-ratelimit-requests-remaining': '1',
            'set-cookie': 'a=b',
            'cf-ray': 'x',
            server: 'cloudflare',
            'retry-after': '5',
          },
        ),
      )
      const response = await sendMessage(stage.host, key)
      expect(response.status).toBe(200)
      const names = [...response.headers.keys()]
      expect(
        names.filter((name) => /organization|ratelimit|cookie|^cf-|server|retry/.test(name)),
      ).toEqual([])
    })
  })
}
