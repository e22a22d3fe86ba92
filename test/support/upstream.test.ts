import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { readFixture } from './fixtures.ts'
import {
  after,
  anthropicJson,
  anthropicStream,
  type Behaviour,
  html,
  json,
  sse,
  startUpstream,
  type Upstream,
} from './upstream.ts'

let upstream: Upstream

beforeAll(async () => {
  upstream = await startUpstream()
})
beforeEach(() => {
  upstream.served.length = 0
  upstream.requests.length = 0
})
afterAll(() => upstream.close())

const send = (credential: string) =>
  fetch(upstream.url, {
    method: 'POST',
    headers: { authorization: `Bearer ${credential}` },
    body: '{"model":"claude-x"}',
  })

async function play(behaviour: Behaviour) {
  upstream.respond(behaviour)
  const response = await send('one')
  const text = await response.text().catch(() => undefined)
  await upstream.requests.at(-1)?.aborted
  return { text, served: upstream.served.at(-1) }
}

describe('the scripted upstream', () => {
  it('gives each request the next behaviour and keeps the last', async () => {
    upstream.respond(json(429, {}), after(5, html(502)))
    const statuses = [await send('a'), await send('b'), await send('c')].map((r) => r.status)
    expect(statuses).toEqual([429, 502, 502])
  })

  it('behaves differently for different credentials', async () => {
    upstream.respond(anthropicJson({ usage: { output_tokens: 3 } }))
    upstream.behave('two', json(529, {}))
    expect((await send('one')).status).toBe(200)
    expect((await send('two')).status).toBe(529)
    expect(upstream.served.map((entry) => entry.usage?.output_tokens)).toEqual([3, undefined])
    expect(upstream.served.map((entry) => entry.credential)).toEqual(['one', 'two'])
  })

  it('streams the events of a recorded answer', async () => {
    const names = (text = '') => text.match(/^event: .*/gm)
    const scripted = await play(anthropicStream())
    expect(names(scripted.text)).toEqual(names(readFixture('anthropic-text.sse')))
    expect(scripted.text).toContain('"model":"claude-x"')
    expect(scripted.served).toMatchObject({ completed: true, aborted: false })
    expect((await play(sse(readFixture('anthropic-text.sse')))).text).toContain('message_stop')
  })

  const deltas = ['a', 'b', 'c', 'd']
  it.each([
    ['errors first', { errorFirst: true }, undefined],
    ['errors after 5 events', { errorAfterEvents: 5 }, 10],
    ['ends after 4 events', { endAfterEvents: 4 }, 5],
    ['is cut after 2 events', { cutAfterEvents: 2 }, 1],
    ['is cut after 6 events', { cutAfterEvents: 6 }, 15],
  ])('counts what it served when it %s', async (_title, script, outputTokens) => {
    const { served } = await play(
      anthropicStream({ deltas, usage: { output_tokens: 20 }, ...script }),
    )
    expect(served?.usage?.output_tokens).toBe(outputTokens)
    expect(served).toMatchObject({ completed: false, aborted: false })
  })
})
