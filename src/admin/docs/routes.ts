/** The documentation: `/openapi.json`, and `/docs`, a page that needs nothing but this gateway. */
import { type Context, Hono } from 'hono'
import type { AdminApp } from '../app.ts'
import { pageHeaders } from '../security.ts'
import { createDocument } from './document.ts'
import { page } from './page.ts'
import { script } from './script.ts'
import { style } from './style.ts'

/** Serves the document of `admin` and of the relay, and the page that shows it. */
export function docsRoutes(admin: AdminApp): Hono {
  const app = new Hono()
  // Made when first asked for: a Worker should not start up slower for it.
  let document: string | undefined
  app.get('/openapi.json', (c) => {
    document ??= JSON.stringify(createDocument(admin))
    return send(c, document, 'application/json')
  })
  app.use('/docs/*', pageHeaders)
  app.get('/docs', (c) => send(c, page, 'text/html; charset=utf-8'))
  app.get('/docs/script.js', (c) => send(c, script, 'text/javascript; charset=utf-8'))
  app.get('/docs/style.css', (c) => send(c, style, 'text/css; charset=utf-8'))
  return app
}

// An upgrade must not meet the old page in a cache.
const send = (c: Context, body: string, type: string) =>
  c.body(body, 200, { 'content-type': type, 'cache-control': 'no-cache' })
