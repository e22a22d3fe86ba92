/** Setup help: how a client program is pointed at this gateway. */
import { afterEach, describe, expect, it } from 'vitest'
import { clientSetups } from '../../src/admin/setup/clients.ts'
import { createTestGateway, type TestGateway } from '../support/gateway.ts'

let test: TestGateway
afterEach(() => test.close())

const ask = async (path: string, headers: Record<string, string> = {}, config = {}) => {
  test = createTestGateway({ config })
  const response = await test.app.request(`http://10.0.0.7:3000${path}`, { headers })
  return { status: response.status, headers: response.headers, text: await response.text() }
}

describe('GET /setup/:client', () => {
  it.each(Object.keys(clientSetups))('tells how %s is set up, as plain text', async (client) => {
    const { status, headers, text } = await ask(`/setup/${client}`)
    expect(status).toBe(200)
    expect(headers.get('content-type')).toBe('text/plain; charset=utf-8')
    if (!['vscode', 'codex-ide'].includes(client)) {
      expect(text).toContain('http://10.0.0.7:3000/')
    }
    expect(text).not.toMatch(/undefined|\/v1\/v1|\/\/api/)
  })

  it('names the address that the request was sent to', async () => {
    const { text } = await ask('/setup/curl', { host: 'gw.example.com:8443' })
    expect(text).toContain('http://gw.example.com:8443/api/v1/messages')
  })

  it('names https where a trusted proxy reports it, and PUBLIC_URL where that is set', async () => {
    const headers = { host: 'gw.example.com', 'x-forwarded-proto': 'https' }
    expect((await ask('/setup/curl', headers)).text).toContain('http://gw.example.com/')
    const trusted = await ask('/setup/curl', headers, { TRUST_PROXY_HEADER: 'true' })
    expect(trusted.text).toContain('https://gw.example.com/')
    const fixed = await ask('/setup/curl', headers, { PUBLIC_URL: 'https://ai.example.com/gw/' })
    expect(fixed.text).toContain('https://ai.example.com/gw/api/v1/messages')
  })

  it('repeats no host that is none', async () => {
    const { text } = await ask('/setup/curl', { host: 'evil.com/$(rm -rf ~)' })
    expect(text).toContain('http://gateway.example.com/api')
    expect(text).not.toContain('evil')
  })

  it.each(['nope', 'constructor', '__proto__'])(
    'knows no client %s, and lists those',
    async (name) => {
      const { status, text } = await ask(`/setup/${name}`)
      expect(status).toBe(404)
      expect(text).toContain('claude-code')
    },
  )
})

describe('GET /setup', () => {
  it('lists every client with the address of its help', async () => {
    const { status, text } = await ask('/setup')
    expect(status).toBe(200)
    for (const name of Object.keys(clientSetups)) {
      expect(text).toContain(`http://10.0.0.7:3000/setup/${name} `)
    }
  })
})
