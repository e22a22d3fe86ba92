import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createEmbeddedEngine } from '../../src/node/engines/embedded/engine.ts'
import type { Engine } from '../../src/store/redis.ts'
import { anyCharacter } from '../support/any-character.ts'
import {
  adminToken,
  createTestAdmin,
  createTestGateway,
  read,
  type TestGateway,
} from '../support/gateway.ts'
import { type Operation, operationsOf, resolve } from '../support/openapi.ts'
import { runs } from '../support/property.ts'

type Json = ReturnType<typeof JSON.parse>

let test: TestGateway
let store: Engine
let document: Json
let operations: Operation[]
const commands: string[] = []
const present = { key: '', account: '' }

beforeAll(async () => {
  store = createEmbeddedEngine({ path: ':memory:' })
  const request: Engine['request'] = (sent) => {
    commands.push(JSON.stringify(sent.body))
    return store.request(sent)
  }
  const refused = () => Promise.reject(new Error('no upstream here'))
  test = createTestGateway({ engine: { ...store, request }, fetch: refused })
  document = (await read(await test.app.request('/openapi.json'))).json
  operations = operationsOf(document).filter(({ path }) => path.startsWith('/api/v2/'))
  const admin = createTestAdmin(test)
  present.key = (await admin.createKey()).id
  present.account = (await admin.createAccount()).id
})
afterAll(async () => {
  await test.close()
  await store.close()
})

const separators = [
  'a:b',
  '*',
  'x y',
  '../keys',
  'a/b',
  '\u0000',
  '\n',
  '{}',
  "'",
  '%',
  'é',
  '🙂',
  '',
]
const text = fc.oneof(
  fc.constantFrom(...separators, '__proto__', 'constructor', 'null', '-1', '1e999', 'NaN'),
  fc.string({ unit: anyCharacter, maxLength: 30 }),
  fc.integer({ min: 90, max: 3_000 }).map((length) => 'x'.repeat(length)),
)
const value = fc.oneof({ weight: 2, arbitrary: text }, fc.jsonValue({ maxDepth: 2 }))

/** Bodies that use the documented names, now and then with documented values. */
function bodiesOf({ operation }: Operation): fc.Arbitrary<unknown> {
  const media = operation.requestBody?.content['application/json']
  if (!media) return fc.constant(undefined)
  const schema = resolve(document, media.schema)
  const example: Json = media.example ?? schema.example ?? {}
  const names = [...Object.keys(schema.properties ?? {}), '__proto__', 'unknown']
  const fields = fc.dictionary(fc.constantFrom(...names), value, { maxKeys: 4 })
  return fc.oneof(
    { weight: 4, arbitrary: fields.map((given) => ({ ...example, ...given })) },
    fields,
    value,
  )
}

const header = fc.stringMatching(/^[ -~]{0,60}$/)
const callOf = (target: Operation) =>
  fc.record({
    target: fc.constant(target),
    body: bodiesOf(target),
    id: fc.option(text, { nil: undefined }),
    query: fc.dictionary(fc.constantFrom('limit', 'cursor', 'actor', 'x', 'force'), text, {
      maxKeys: 2,
    }),
    headers: fc.dictionary(
      fc.constantFrom('if-match', 'x-request-id', 'x-forwarded-for', 'accept', 'origin'),
      header,
      { maxKeys: 2 },
    ),
  })

interface Call {
  target: Operation
  body: unknown
  id: string | undefined
  query: Record<string, string>
  headers: Record<string, string>
}

async function send(call: Call) {
  const { target, body, id, query, headers } = call
  const known = target.path.includes('/accounts/') ? present.account : present.key
  const path = target.path
    .replace('{platform}', 'claude-console')
    .replace('{id}', id === undefined ? known : encodeURIComponent(id.toWellFormed()))
  const search = new URLSearchParams(query).toString()
  const sent = new Headers(headers)
  sent.set('authorization', `Bearer ${await adminToken(test.runtime, 'admin')}`)
  if (body !== undefined) sent.set('content-type', 'application/json')
  return read(
    await test.app.request(search === '' ? path : `${path}?${search}`, {
      method: target.method.toUpperCase(),
      headers: sent,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    }),
  )
}

it('no operation fails at hostile input, and each refusal of it names its fields', async () => {
  const calls = fc.constantFrom(...operations).chain(callOf)
  await fc.assert(
    fc.asyncProperty(calls, async (call) => {
      const { status, json } = await send(call)
      const at = `${call.target.method} ${call.target.path}`
      expect([at, status < 500 || json]).toEqual([at, true])
      if (json?.error?.code !== 'invalid_request') return
      expect([at, json.error.message, json.error.issues?.length > 0]).toEqual([
        at,
        json.error.message,
        true,
      ])
      for (const issue of json.error.issues) expect(issue.field).toBeTypeOf('string')
    }),
    runs(250),
  )
  expect(test.logged('failed')).toEqual([])
})

it('no id that cannot exist reaches the store', async () => {
  const withId = operations.filter(({ path }) => path.includes('{id}'))
  for (const target of withId) {
    for (const separator of separators.filter((id) => id !== '' && id !== '../keys')) {
      const id = `forged${separator}`
      commands.length = 0
      const answer = await send({ target, body: undefined, id, query: {}, headers: {} })
      expect([id, [400, 404].includes(answer.status)]).toEqual([id, true])
      expect(commands.filter((command) => command.includes('forged'))).toEqual([])
    }
  }
  commands.length = 0
  await createTestAdmin(test).call('GET', '/audit?cursor=forged:x')
  await createTestAdmin(test).call('GET', '/keys?cursor=forged:x')
  expect(commands.filter((command) => command.includes('forged'))).toEqual([])
})
