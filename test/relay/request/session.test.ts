import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { runAtOnce } from '../../../src/dialects/json-scan.ts'
import { stretchBytes } from '../../../src/dialects/json-tokens.ts'
import { readHints } from '../../../src/relay/request/hints.ts'
import { sessionKey } from '../../../src/relay/request/session.ts'

const device = 'ab'.repeat(32)
const session = '11111111-2222-4333-8444-555555555555'
const digest = /^[0-9a-f]{64}$/

/** The scan of a request, by its end the session key. */
function* scanOf(body: object, headers: Record<string, string> = {}) {
  const bytes = new TextEncoder().encode(JSON.stringify({ model: 'm', ...body }))
  return yield* sessionKey(new Headers(headers), yield* readHints(bytes), bytes)
}

const keyOf = (body: object, headers: Record<string, string> = {}) =>
  runAtOnce(scanOf(body, headers))

const metadata = (user: string | object) => ({
  metadata: { user_id: typeof user === 'string' ? user : JSON.stringify(user) },
})

const user = (content: unknown) => ({ role: 'user', content })

describe('sessionKey takes the first source that exists', () => {
  const everything = {
    ...metadata({ device_id: device, account_uuid: '', session_id: 'from-user-id' }),
    prompt_cache_key: 'from-cache-key',
    messages: [user('hi')],
  }
  const headers = {
    'x-claude-code-session-id': 'from-claude-header',
    'session-id': 'from-session-id',
    session_id: 'from-session_id',
    conversation_id: 'from-conversation',
  }

  it('in the order: Claude header, user id, Codex headers, cache key', () => {
    const order: [string, () => void][] = [
      ['from-claude-header', () => Reflect.deleteProperty(headers, 'x-claude-code-session-id')],
      ['from-user-id', () => Reflect.deleteProperty(everything, 'metadata')],
      ['from-session-id', () => Reflect.deleteProperty(headers, 'session-id')],
      ['from-session_id', () => Reflect.deleteProperty(headers, 'session_id')],
      ['from-conversation', () => Reflect.deleteProperty(headers, 'conversation_id')],
      ['from-cache-key', () => Reflect.deleteProperty(everything, 'prompt_cache_key')],
    ]
    for (const [expected, remove] of order) {
      expect(keyOf(everything, headers)).toBe(expected)
      remove()
    }
    expect(keyOf(everything, headers)).toMatch(digest)
  })

  it.each(['', device])('reads the session of the legacy user id with account "%s"', (account) => {
    const id = `user_${device}_account_${account}_session_${session}`
    expect(keyOf(metadata(id))).toBe(session)
  })

  it('prefers a cache key to the device, and the device to the conversation', () => {
    expect(keyOf({ ...metadata(device), prompt_cache_key: 'cache' })).toBe('cache')
    expect(keyOf({ ...metadata(device), messages: [user('hi')] })).toBe(device)
  })

  it.each(['{broken', '{}', '{"session_id":7}', '{"session_id":""}', 'user-7', '"text"'])(
    'passes over the user id %s',
    (id) => {
      expect(keyOf({ ...metadata(id), prompt_cache_key: 'cache' })).toBe('cache')
    },
  )

  it.each([null, 'text', [], { user_id: 5 }, { user_id: null }])(
    'passes over metadata of %j',
    (value) => expect(keyOf({ metadata: value, prompt_cache_key: 'cache' })).toBe('cache'),
  )

  it('does not use fields that change within a session', () => {
    const changing = { 'x-client-request-id': 'a', 'thread-id': 'b', 'x-codex-window-id': 'c' }
    expect(keyOf({}, changing)).toBeUndefined()
  })
})

describe('sessionKey gives a text that can stand in a store key', () => {
  it.each(['a b', 'a/b', 'a{b}', 'é', 'x'.repeat(129)])('digests %s', (value) => {
    expect(keyOf({ prompt_cache_key: value })).toMatch(digest)
    expect(keyOf({ prompt_cache_key: value })).toBe(keyOf({ prompt_cache_key: value }))
  })

  it('keeps plain names up to 128 characters', () => {
    expect(keyOf({ prompt_cache_key: 'x'.repeat(128) })).toBe('x'.repeat(128))
    expect(keyOf({ prompt_cache_key: 'a.b:c-d_1' })).toBe('a.b:c-d_1')
  })
})

describe('sessionKey falls back to the opening of the conversation', () => {
  const billing = (suffix: string) => ({
    type: 'text',
    text: `x-anthropic-billing-header: cc_version=2.1.330.${suffix}; cch=${suffix};`,
  })
  const identity = { type: 'text', text: 'You are an agent' }
  const opening = { system: [identity], messages: [user('say hi')] }

  it('which later turns repeat', () => {
    const later = [...opening.messages, { role: 'assistant', content: 'hi' }, user('more')]
    expect(keyOf({ ...opening, messages: later })).toBe(keyOf(opening))
  })

  it('without billing blocks, which change on every request', () => {
    expect(keyOf({ ...opening, system: [billing('abc'), identity] })).toBe(keyOf(opening))
    expect(keyOf({ ...opening, system: [billing('def'), identity] })).toBe(keyOf(opening))
    expect(keyOf({ messages: opening.messages, system: billing('abc').text })).toBe(
      keyOf({ messages: opening.messages }),
    )
  })

  it('without cache marks, which move from turn to turn', () => {
    const block = { type: 'text', text: 'say hi' }
    const image = { type: 'image', source: { data: 'AAAA' } }
    const mark = { cache_control: { type: 'ephemeral' } }
    const first = keyOf({ messages: [user([block, { ...image, ...mark }])] })
    expect(keyOf({ messages: [user([{ ...block, ...mark }, image])] })).toBe(first)
    expect(keyOf({ messages: [user([block, { ...image, source: { data: 'BBBB' } }])] })).not.toBe(
      first,
    )
  })

  it('and differs for other openings', () => {
    const openings = [
      opening,
      { ...opening, system: [{ type: 'text', text: 'You are another' }] },
      { ...opening, messages: [user('say ho')] },
      { ...opening, messages: [user(['say hi', 'twice'])] },
      { messages: opening.messages },
      { system: opening.system },
      { instructions: 'be brief', input: 'say hi' },
      { instructions: 'be brief', input: [user([{ type: 'input_text', text: 'say ho' }])] },
    ]
    expect(new Set(openings.map((body) => keyOf(body))).size).toBe(openings.length)
  })

  it('of Responses, whether the input is a text or a list', () => {
    const list = [
      { type: 'message', role: 'developer', content: [{ type: 'input_text', text: 'rules' }] },
      { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'say hi' }] },
    ]
    expect(keyOf({ input: list })).toBe(keyOf({ input: 'say hi' }))
  })

  it('whatever messages follow the first of the user', () => {
    const messages = Array.from({ length: 5_000 }, (_, i) => user(`message ${i}`))
    expect(keyOf({ messages })).toBe(keyOf({ messages: [user('message 0')] }))
  })

  it('even if it is long, wherever its cache marks are', () => {
    const long = 'x'.repeat(100_000)
    const mark = { cache_control: { type: 'ephemeral' } }
    const block = { type: 'text', text: long }
    const key = keyOf({ messages: [user([block])] })
    expect(key).toMatch(digest)
    expect(keyOf({ messages: [user([{ ...block, ...mark }])] })).toBe(key)
    expect(keyOf({ messages: [user(long)] })).toBe(key)
    expect(keyOf({ messages: [user([{ ...block, text: `y${long}` }])] })).not.toBe(key)
    const image = { type: 'image', source: { type: 'base64', data: long } }
    const withImage = keyOf({ messages: [user([image])] })
    expect(keyOf({ messages: [user([{ ...image, ...mark }])] })).toBe(withImage)
    expect(withImage).not.toBe(key)
  })

  it.each([
    ['a system prompt of many blocks', { system: Array(1_000_000).fill({}) }],
    ['a first message of many blocks', { messages: [user(Array(1_000_000).fill([]))] }],
    ['many messages of nobody', { messages: Array(1_000_000).fill({}) }],
    [
      'a message of many fields',
      { messages: [Object.fromEntries(Array.from({ length: 200_000 }, (_, i) => [`k${i}`, 0]))] },
    ],
    ['metadata that are long', { metadata: { user_id: Array(1_000_000).fill({}) } }],
  ])('in steps that grow with the body alone: %s', (_, body) => {
    const steps = [...scanOf(body)].length
    // No byte is passed more than three times: for the grammar, in its list, in its own message.
    expect(steps).toBeLessThanOrEqual((3 * JSON.stringify(body).length) / stretchBytes + 3)
  })

  it.each([{}, { system: '', messages: [] }, { input: [] }, { messages: [{ role: 'system' }] }])(
    'and is undefined if there is nothing to go by: %j',
    (body) => expect(keyOf(body)).toBeUndefined(),
  )
})

const Fixture = z.object({
  request: z.object({
    headers: z.record(z.string(), z.string()).default({}),
    body: z.record(z.string(), z.unknown()).nullish(),
  }),
  expect: z.object({ session_id: z.string().nullable() }),
})

const folder = new URL('../../fixtures/', import.meta.url)
const recorded = readdirSync(folder)
  .filter((name) => name.endsWith('.json') && !['error-answers.json', 'INDEX.json'].includes(name))
  .map((name) => ({
    name,
    ...Fixture.parse(JSON.parse(readFileSync(new URL(name, folder), 'utf8'))),
  }))

describe('sessionKey of recorded requests', () => {
  it.each(recorded)('finds the session of $name', ({ request, expect: expected }) => {
    const key = keyOf(request.body ?? {}, request.headers)
    if (expected.session_id !== null) expect(key).toBe(expected.session_id)
    else if (request.body) expect(key).toMatch(digest)
    else expect(key).toBeUndefined()
  })
})
