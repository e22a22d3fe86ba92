import fc from 'fast-check'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import type { AdminApp } from '../../src/admin/app.ts'
import type { Authentication } from '../../src/admin/authentication.ts'
import { createDocument } from '../../src/admin/docs/document.ts'
import { requirePermission } from '../../src/admin/permissions.ts'
import { type AdminOptions, adminRoutes, routeGroups } from '../../src/admin/routes.ts'
import { ensureAdmin } from '../../src/admin/session/ensure-admin.ts'
import { type ApiKey, ApiKeySettings } from '../../src/catalog/api-key.ts'
import type { Actor } from '../../src/domain/actor.ts'
import { GatewayError } from '../../src/errors.ts'
import { createTestGateway, read } from '../support/gateway.ts'
import { operationsOf, resolve } from '../support/openapi.ts'

const owner: Actor = { kind: 'admin', username: 'ada', role: 'owner' }
const keyHolder: Actor = { kind: 'api_key', keyId: 'key' }
const system: Actor = { kind: 'system', name: 'test' }
const publicRoutes = ['POST /auth/admin/login']

/** What a verb did that it may only do once its permission is checked. */
const touched: string[] = []
const test = createTestGateway({
  engine: {
    request: (sent) => {
      touched.push(`store ${JSON.stringify(sent.body)}`)
      return Promise.reject(new Error('the store is not there'))
    },
    close: async () => {},
  },
  fetch: (url) => {
    touched.push(`upstream ${url}`)
    return Promise.reject(new Error('the upstream is not there'))
  },
})
const { gateway } = test
beforeEach(() => void touched.splice(0))
afterAll(() => test.close())

/** The administration API by itself, with its errors rendered in short. */
function createAdmin(options?: AdminOptions): AdminApp {
  const app = adminRoutes(gateway, options)
  app.onError((error) => {
    if (!(error instanceof GatewayError)) throw error
    const { code, message, status } = error
    return Response.json({ code, message }, { status })
  })
  return app
}

interface Route {
  /** Such as `PUT /keys/{id}`. */
  name: string
  permission: string | undefined
  send(app: AdminApp): Promise<{ status: number; code?: string; message?: string }>
}

/** Every documented route, and a request of valid input for each. */
function routesOf(app: AdminApp): Route[] {
  const document: ReturnType<typeof JSON.parse> = createDocument(app)
  return operationsOf(document)
    .filter(({ path }) => path.startsWith('/api/v2/'))
    .map(({ method, path, operation }) => {
      const media = operation.requestBody?.content['application/json']
      const body = media && (media.example ?? resolve(document, media.schema).example ?? {})
      const template = path.slice('/api/v2'.length)
      const url = template
        .replace('{platform}', 'codex')
        .replace('{id}', '019ac000-0000-7000-8000-000000000000')
      const init = {
        method: method.toUpperCase(),
        headers: { 'content-type': 'application/json' },
        ...(body && { body: JSON.stringify(body) }),
      }
      return {
        name: `${init.method} ${template}`,
        permission: operation['x-permission'],
        send: async (to) => {
          const { status, json } = await read(await to.request(url, init))
          return { status, ...json }
        },
      }
    })
}

describe('every route of the administration', () => {
  const routes = routesOf(createAdmin())

  it('declares a permission, or is one of the few public ones', () => {
    const open = routes.filter(({ permission }) => permission === undefined)
    expect(open.map(({ name }) => name)).toEqual(publicRoutes)
    expect(routes.length).toBeGreaterThan(20)
  })

  it('is documented: no handler is registered beside the declared routes', () => {
    const registered = createAdmin()
      .routes.filter(({ method }) => method !== 'ALL')
      .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`)
    const declared = routes.map(({ name }) => name)
    expect([...new Set(registered)].toSorted()).toEqual(declared.toSorted())
  })

  it('answers 401 without credentials unless it is public, in whatever order routes are registered', async () => {
    const order = fc.shuffledSubarray([...routeGroups], { minLength: routeGroups.length })
    await fc.assert(
      fc.asyncProperty(order, async (groups) => {
        const app = createAdmin({ groups })
        for (const { name, send } of routes) {
          const { status } = await send(app)
          expect([name, status === 401]).toEqual([name, !publicRoutes.includes(name)])
        }
      }),
      { numRuns: 12, examples: [[[...routeGroups].reverse()]] },
    )
  })

  it('has a verb that requires exactly the declared permission, before it does anything', async () => {
    const session = { username: 'ada', tokenId: 'token', sinceMs: 0, expiresAtMs: 0 }
    const settings = ApiKeySettings.parse({ name: 'key' })
    const apiKey: ApiKey = {
      ...settings,
      id: 'key',
      digest: '',
      keyPreview: '',
      createdAt: '',
      updatedAt: '',
      createdBy: '',
      isDeleted: false,
      deletedAt: null,
      deletedBy: null,
      restoredAt: null,
    }
    // Every caller is let in, as an actor without any of the permissions that the routes need.
    const authentication: Authentication = {
      admin: async () => ({ actor: keyHolder, session }),
      gatewayKey: async () => ({ actor: owner, apiKey }),
    }
    const app = createAdmin({ authentication })
    for (const { name, permission, send } of routes) {
      if (permission === undefined) continue
      const answer = await send(app)
      expect([name, answer]).toEqual([
        name,
        {
          status: 403,
          code: 'not_permitted',
          message: `This needs the permission "${permission}"`,
        },
      ])
    }
    expect(touched).toEqual([])
  })

  it('leaves paths that no route has to administrators, too', async () => {
    expect((await createAdmin().request('/nothing')).status).toBe(401)
    const authentication: Authentication = {
      admin: async () => ({
        actor: owner,
        session: { username: 'ada', tokenId: 'token', sinceMs: 0, expiresAtMs: 0 },
      }),
      gatewayKey: () => Promise.reject(new Error('no gateway key')),
    }
    expect((await createAdmin({ authentication }).request('/nothing')).status).toBe(404)
  })
})

describe('permissions', () => {
  const refusal = expect.objectContaining({ code: 'not_permitted', status: 403 })

  it('of an owner are all but those of the holder of a key', () => {
    const declared = routesOf(createAdmin()).flatMap(({ permission }) => permission ?? [])
    expect(declared.filter((permission) => permission !== 'own_key:read').length).toBeGreaterThan(
      15,
    )
    for (const permission of ['keys:write', 'accounts:test', 'admins:write'] as const) {
      expect(() => requirePermission(owner, permission)).not.toThrow()
    }
    expect(() => requirePermission(owner, 'own_key:read')).toThrow(refusal)
  })

  it('of the holder of a gateway key are for that key only', () => {
    expect(() => requirePermission(keyHolder, 'own_key:read')).not.toThrow()
    expect(() => requirePermission(keyHolder, 'keys:read')).toThrow(refusal)
  })

  it('of the gateway itself are what it does on its own: to create the first administrator', async () => {
    expect(() => requirePermission(system, 'admins:write')).not.toThrow()
    expect(() => requirePermission(system, 'keys:write')).toThrow(refusal)
    await expect(ensureAdmin(gateway, { actor: keyHolder })).rejects.toThrow(refusal)
    expect(touched).toEqual([])
  })
})
