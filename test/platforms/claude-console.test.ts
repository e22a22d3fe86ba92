import { describe, expect, it } from 'vitest'
import { claudeConsole } from '../../src/platforms/claude-console.ts'
import { accountOf, callOf } from './call.ts'

describe('the request to a claude-console account', () => {
  it.each([
    ['https://api.test', 'https://api.test/v1/messages'],
    ['https://api.test/', 'https://api.test/v1/messages'],
    ['https://api.test/base', 'https://api.test/base/v1/messages'],
    ['https://api.test/base/v1', 'https://api.test/base/v1/messages'],
    ['https://api.test/base/v1/', 'https://api.test/base/v1/messages'],
    ['https://api.test/v1/messages', 'https://api.test/v1/messages'],
    ['https://api.test/my/messages', 'https://api.test/my/messages/v1/messages'],
    ['https://api.test/not-v1', 'https://api.test/not-v1/v1/messages'],
  ])('goes from the base %s to %s', async (apiUrl, url) => {
    const call = callOf({ account: accountOf({ apiUrl }) })
    expect(await claudeConsole.buildRequest(call)).toMatchObject({ method: 'POST', url })
  })

  it.each([
    ['sk-ant-1', 'x-api-key', 'sk-ant-1'],
    ['other', 'authorization', 'Bearer other'],
  ])('carries the credential %s in %s', async (credential, name, value) => {
    const call = callOf({ credential, headers: new Headers() })
    const { headers } = await claudeConsole.buildRequest(call)
    expect([...headers]).toEqual([[name, value]])
  })

  it('keeps the query, the headers and the bytes of the client', async () => {
    const headers = new Headers({ 'anthropic-beta': 'x' })
    const call = callOf({ search: '?beta=true', headers })
    const request = await claudeConsole.buildRequest(call)
    expect(request.url).toBe('https://api.test/v1/messages?beta=true')
    expect(request.headers.get('anthropic-beta')).toBe('x')
    expect(request.body).toBe(call.body.bytes)
  })

  it('names the model that the account renames it to', async () => {
    const { body } = await claudeConsole.buildRequest(callOf({ upstreamModel: 'vendor/m' }))
    expect(new TextDecoder().decode(body)).toBe('{"model":"vendor/m"}')
  })

  it('is refused for an operation that these accounts do not serve', async () => {
    const build = async () => claudeConsole.buildRequest(callOf({ operation: 'responses' }))
    await expect(build()).rejects.toThrow(/does not serve the operation "responses"/)
  })
})

describe('the trial of a claude-console account', () => {
  it('asks for one token', () => {
    const { operation, headers, body } = claudeConsole.trialRequest('m')
    expect(operation).toBe('messages')
    expect([...headers]).toEqual([['anthropic-version', '2023-06-01']])
    expect(body).toEqual({
      model: 'm',
      max_tokens: 1,
      messages: [{ role: 'user', content: 'hi' }],
    })
  })

  it('is answered by a message, and by nothing else', () => {
    expect(claudeConsole.isTrialAnswer({ type: 'message' })).toBe(true)
    for (const other of [{ object: 'response' }, { type: 'error' }, null, undefined, 'message']) {
      expect(claudeConsole.isTrialAnswer(other)).toBe(false)
    }
  })
})
