import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { page } from '../../src/admin/docs/page.ts'
import { script } from '../../src/admin/docs/script.ts'
import { type FakeElement, openPage } from '../support/browser.ts'
import { adminToken, createTestGateway, type TestGateway } from '../support/gateway.ts'
import { operationsOf } from '../support/openapi.ts'
import { until } from '../support/wait.ts'

let test: TestGateway
let body: FakeElement
let document: ReturnType<typeof JSON.parse>
const sent: { url: string; init: RequestInit | undefined }[] = []

const ids = [...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id ?? '')
const byId = (id: string): FakeElement => {
  const found = body.byId(id)
  if (!found) throw new Error(`There is no #${id}`)
  return found
}

beforeAll(async () => {
  test = createTestGateway()
  document = await (await test.app.request('/openapi.json')).json()
  body = openPage(script, ids, async (url, init) => {
    sent.push({ url, init })
    return test.app.request(url, init)
  })
  await until(() => byId('operations').children.length > 0)
})
afterAll(() => test.close())

/** Presses the button of an operation, and reads what the page then shows. */
async function press(operationId: string): Promise<string> {
  const [button] = byId(operationId).find('button')
  await button?.listeners.get('click')?.()
  return byId(operationId).find('pre').at(-1)?.textContent ?? ''
}

describe('the documentation page', () => {
  it('shows every operation under its tag, with its answers and its parameters', () => {
    expect(byId('title').textContent).toBe(document.info.title)
    const tags = document.tags.map(({ name }: { name: string }) => name)
    expect(byId('tags').children.map(({ textContent }) => textContent)).toEqual(tags)
    for (const { path, operation } of operationsOf(document)) {
      const shown = byId(operation.operationId).textContent
      for (const text of [path, operation.summary, ...Object.keys(operation.responses)]) {
        expect(shown).toContain(text)
      }
      for (const { name } of operation.parameters ?? []) expect(shown).toContain(name)
    }
    expect(byId('postKeys').textContent).toContain('rateLimitRequests')
  })

  it('names every field, button and answer for a reader who cannot see', () => {
    for (const name of ['input', 'select', 'textarea']) {
      for (const control of byId('operations').find(name)) {
        expect(control.attributes.get('aria-label')).toBeTruthy()
      }
    }
    for (const button of byId('operations').find('button')) {
      expect([button.attributes.get('type'), button.textContent]).toEqual(['button', 'Send'])
    }
    expect(byId('getMe').find('pre').at(-1)?.attributes.get('role')).toBe('status')
  })

  it('sends a request with the credential of its kind, and shows the answer', async () => {
    expect(await press('getAuthMe')).toMatch(/GET \/api\/v2\/auth\/me → 401[\s\S]*Log in first/)
    byId('admin-token').value = await adminToken(test.runtime, 'admin')
    expect(await press('getAuthMe')).toMatch(/→ 200[\s\S]*"username": "admin"/)
    const created = await press('postKeys')
    expect(created).toMatch(/→ 201/)
    byId('gateway-key').value = /"key": "([^"]+)"/.exec(created)?.[1] ?? ''
    expect(await press('getMe')).toMatch(/→ 200[\s\S]*"keyPreview"/)
    for (const { init } of sent.slice(1)) expect(init?.credentials).toBe('omit')
  })

  it('puts parameters where they belong, encoded', async () => {
    byId('getKeysById-id').value = '../x?y'
    expect(await press('getKeysById')).toMatch(/GET \/api\/v2\/keys\/\.\.%2Fx%3Fy → 404/)
    byId('getKeys-limit').value = '7'
    expect(await press('getKeys')).toMatch(/GET \/api\/v2\/keys\?limit=7\S* → 200/)
  })

  it('says so when the document cannot be loaded', async () => {
    const bare = openPage(script, ids, () => Promise.reject(new Error('gone <b>')))
    const loading = () => bare.byId('loading')?.textContent
    await expect.poll(loading).toBe('The document could not be loaded: gone <b>')
  })
})
