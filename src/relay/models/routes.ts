/** The routes that list models, in the form that the caller's program understands. */
import type { Context, Hono } from 'hono'
import { GatewayError } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import { listModels } from './list.ts'

/** What these routes need of the application's context. */
interface Variables {
  requestId: string
  keyId?: string
}
type App = Context<{ Variables: Variables }>

type Form = 'anthropic' | 'openai' | 'codex'

const pools = { anthropic: 'claude-console', openai: 'codex', codex: 'codex' } as const

/** Claude Code and Anthropic's SDKs name a version, or themselves; Codex names its own. */
function formOf(c: App, isOpenAi: boolean): Form {
  if (c.req.query('client_version') !== undefined) return 'codex'
  if (isOpenAi) return 'openai'
  const isAnthropic =
    c.req.header('anthropic-version') !== undefined ||
    /^(claude-code|claude-cli|anthropic)\//i.test(c.req.header('user-agent') ?? '')
  return isAnthropic ? 'anthropic' : 'openai'
}

/** Below each of these the models are listed. */
export const modelBases = ['/v1', '/api/v1', '/openai/v1', '/openai'] as const

/** Mounts `GET …/models` and `GET …/models/:id` below the bases of both vendors. */
export function mountModels<Env extends { Variables: Variables }>(
  app: Hono<Env>,
  gateway: Gateway,
): void {
  for (const base of modelBases) {
    const isOpenAi = base.startsWith('/openai')
    const list = async (c: App) => {
      const form = formOf(c, isOpenAi)
      const { headers } = c.req.raw
      const onKey = (keyId: string) => c.set('keyId', keyId)
      return { form, models: await listModels(gateway, headers, pools[form], onKey) }
    }
    app.get(`${base}/models`, async (c) => {
      const { form, models } = await list(c as unknown as App)
      return c.json(page(form, models, new URLSearchParams(new URL(c.req.url).search)))
    })
    app.get(`${base}/models/:id{.+}`, async (c) => {
      const { form, models } = await list(c as unknown as App)
      const id = c.req.param('id') ?? ''
      if (models.includes(id)) return c.json(modelOf(form, id))
      throw new GatewayError('not_found', `This gateway key has no model "${id}"`)
    })
  }
}

/** The vendors give dates; what is not known stands as the epoch, as Anthropic documents it. */
const modelOf = (form: Form, id: string) =>
  form === 'anthropic'
    ? { type: 'model', id, display_name: id, created_at: '1970-01-01T00:00:00Z' }
    : { id, object: 'model', created: 0, owned_by: 'gateway' }

const maxLimit = 1000

/** Codex takes the models that it brings itself when the list is empty. */
function page(form: Form, models: string[], query: URLSearchParams) {
  if (form === 'codex') return { models: [] }
  if (form === 'openai') return { object: 'list', data: models.map((id) => modelOf(form, id)) }
  const limit = Math.min(maxLimit, Math.max(1, Number(query.get('limit')) || maxLimit))
  const after = query.get('after_id')
  const before = query.get('before_id')
  const end = before === null ? models.length : Math.max(0, models.indexOf(before))
  const start =
    after === null ? (before === null ? 0 : Math.max(0, end - limit)) : models.indexOf(after) + 1
  const shown = models.slice(start, Math.min(end, start + limit))
  return {
    data: shown.map((id) => modelOf(form, id)),
    has_more: before === null ? start + shown.length < models.length : start > 0,
    first_id: shown[0] ?? null,
    last_id: shown.at(-1) ?? null,
  }
}
