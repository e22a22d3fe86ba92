/** Upstreams that quote the credential they were called with: no key holder gets to see it. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createTestAdmin, createTestGateway, type TestGateway } from '../support/gateway.ts'
import { type Behaviour, startUpstream, type Upstream } from '../support/upstream.ts'

const credential = 'sk-ant-secret/with"quotes\\and-more'
let upstream: Upstream
let gateway: TestGateway
let key: string
let accountId: string
let admin: ReturnType<typeof createTestAdmin>
beforeEach(async () => {
  upstream = await startUpstream()
  gateway = createTestGateway()
  admin = createTestAdmin(gateway)
  ;({ id: accountId } = await admin.createAccount({ apiUrl: upstream.url, apiKey: credential }))
  ;({ key } = await admin.createKey())
})
afterEach(async () => {
  await gateway.close()
  await upstream.close()
})

const send = async (stream: boolean) =>
  gateway.app.request('/v1/messages', {
    method: 'POST',
    headers: { 'x-api-key': key, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'claude-x', stream, messages: [] }),
  })

const inJson = JSON.stringify(credential).slice(1, -1)
const error = (text: string) =>
  `{"type":"error","error":{"type":"invalid_request_error","message":"bad field of ${text}é"}}`

const answer =
  (status: number, type: string, ...parts: string[]): Behaviour =>
  async ({ response }) => {
    response.writeHead(status, { 'content-type': type })
    for (const part of parts) {
      response.write(part)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    response.end()
  }

it.each([inJson, inJson.replaceAll('/', '\\/')])(
  'a refusal that quotes it as %s hides it',
  async (quoted) => {
    upstream.respond(answer(400, 'application/json', error(quoted)))
    const response = await send(false)
    expect(response.status).toBe(400)
    expect(await response.text()).toBe(error('[hidden]'))
    expect(gateway.lines.join('')).not.toContain('sk-ant-secret')
  },
)

it('an error event that a stream begins with hides it, however it is cut', async () => {
  const event = `event: error\ndata: ${error(inJson)}\n\n`
  const middle = event.indexOf('secret')
  upstream.respond(answer(200, 'text/event-stream', event.slice(0, middle), event.slice(middle)))
  const text = await (await send(true)).text()
  expect(text).toContain(`event: error\ndata: ${error('[hidden]')}\n\n`)
  expect(text).not.toContain('secret')
})

it('a refusal that does not quote it keeps its bytes', async () => {
  const body = ` {"error" : {"message":"\\u0041 \u00e9"} }\n`
  upstream.respond(answer(422, 'application/json', body))
  expect(await (await send(false)).text()).toBe(body)
})

it('the trial of an account hides it from administrators', async () => {
  upstream.respond(answer(400, 'application/json', error(inJson)))
  const { json } = await admin.call('POST', `/accounts/claude-console/${accountId}/test`, {})
  expect(json.message).toContain('bad field of [hidden]')
})
