import { Script } from 'node:vm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { page } from '../../src/admin/docs/page.ts'
import { script } from '../../src/admin/docs/script.ts'
import { relayRoutes } from '../../src/relay/routes.ts'
import { createTestGateway, read, type TestGateway } from '../support/gateway.ts'
import { faultsOf, mismatch, operationsOf } from '../support/openapi.ts'

let test: TestGateway
let document: ReturnType<typeof JSON.parse>
beforeAll(async () => {
  test = createTestGateway()
  document = (await get('/openapi.json')).json
})
afterAll(() => test.close())

const get = async (path: string) => read(await test.app.request(path))

describe('GET /openapi.json', () => {
  it('is OpenAPI 3.1, and its examples fit its schemas', () => {
    expect(faultsOf(document)).toEqual([])
  })

  it('documents every route, and no other', () => {
    const unlisted = new Set(['/', '/api/hello', '/openapi.json', '/favicon.ico'])
    unlisted.add('/api/event_logging/batch')
    const routes = test.app.routes
      .filter(({ method, path }) => method !== 'ALL' && !unlisted.has(path))
      .filter(({ path }) => !path.startsWith('/docs') && !path.startsWith('/setup'))
      .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)(\{\.\+\})?/g, '{$1}')}`)
    const sockets = relayRoutes.filter(({ isSocket }) => isSocket).map(({ path }) => `GET ${path}`)
    const documented = operationsOf(document).map(
      ({ method, path }) => `${method.toUpperCase()} ${path}`,
    )
    expect(documented.toSorted()).toEqual(
      [...new Set(routes)].filter((route) => !sockets.includes(route)).toSorted(),
    )
    expect(documented.length).toBeGreaterThan(15)
  })

  it('gives every operation a tag, a summary, its refusals and an example of its body', () => {
    for (const { method, path, operation } of operationsOf(document)) {
      const at = `${method} ${path}`
      expect([at, operation.tags?.length]).toEqual([at, 1])
      expect([at, operation.summary.length > 5]).toEqual([at, true])
      if (operation.security) expect([at, operation.responses[401]]).not.toEqual([at, undefined])
      if (path.startsWith('/api/')) expect(operation.responses[503], at).toBeDefined()
      const media = operation.requestBody?.content['application/json']
      if (!media) continue
      const schema = media.schema.$ref
        ? document.components.schemas[media.schema.$ref.split('/').at(-1)]
        : media.schema
      const example = media.example ?? schema.example
      expect([at, mismatch(document, schema, example)]).toEqual([at, ''])
      expect(Object.keys(operation.responses)).toEqual(
        expect.arrayContaining(['400', '413', '415']),
      )
    }
  })

  it('names the ways to authenticate, and no server but the one that sends it', () => {
    expect(document.servers).toEqual([{ url: '/' }])
    expect(document.components.securitySchemes).toMatchObject({
      Bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
      GatewayKey: { type: 'apiKey', in: 'header', name: 'x-api-key' },
      GatewayBearer: { type: 'http', scheme: 'bearer' },
    })
    const relay = document.paths['/api/v1/messages'].post
    expect(relay.security).toEqual([{ GatewayKey: [] }, { GatewayBearer: [] }])
    expect(Object.keys(relay.responses[200].content)).toEqual([
      'application/json',
      'text/event-stream',
    ])
  })

  it('needs no session, and shows no secret field in an answer', async () => {
    for (const name of ['Account', 'AccountDetails', 'ApiKey', 'ApiKeyDetails', 'AuditEntry']) {
      const text = JSON.stringify(document.components.schemas[name])
      expect(text).not.toMatch(
        /"(apiKey|sealedApiKey|digest|password|passwordHash|sealedPassword)"/,
      )
    }
  })
})

describe('GET /docs', () => {
  it('is a page that loads nothing but what this gateway serves', async () => {
    const { status, headers, text } = await get('/docs')
    expect([status, headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8'])
    const assets = [...text.matchAll(/(?:src|href)="([^"#][^"]*)"/g)].map(([, url]) => url ?? '')
    expect(assets.toSorted()).toEqual(['/docs/script.js', '/docs/style.css', '/openapi.json'])
    for (const asset of assets) expect((await get(asset)).status).toBe(200)
    expect((await get('/docs/script.js')).headers.get('content-type')).toMatch(/^text\/javascript/)
    expect((await get('/docs/style.css')).headers.get('content-type')).toMatch(/^text\/css/)
  })

  it('allows its own script and style only', async () => {
    const { headers } = await get('/docs')
    expect(headers.get('content-security-policy')).toBe(
      "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    )
    expect(headers.get('x-content-type-options')).toBe('nosniff')
  })

  it('has no inline script, style or handler, and makes no markup of text', () => {
    expect(page).not.toMatch(/\son\w+=|\sstyle=|<style|<script(?![^>]*\ssrc=)|javascript:/i)
    expect(script).not.toMatch(
      /innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|Function\(/,
    )
    expect(script).not.toMatch(
      /https?:|localStorage|sessionStorage|cookie|setAttribute\('(on|style)/,
    )
    expect(() => new Script(script)).not.toThrow()
  })

  it('labels its fields, its regions and its language', () => {
    expect(page).toMatch(/<html lang="en">/)
    for (const [, id] of page.matchAll(/<input id="([^"]+)"/g)) {
      expect(page).toContain(`<label for="${id}">`)
    }
    expect(page).toMatch(/<main [^>]*tabindex="-1"/)
    expect(page).toMatch(/<nav [^>]*aria-label=/)
    expect(page).toContain('href="#operations"')
  })
})
