/** Input of the administration API: what is refused, and how each fault is named. */
import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { GatewayError, type Issue } from '../errors.ts'
import { parseJson } from '../json.ts'
import { clientClosed } from '../relay/request/client-request.ts'

const maxIssues = 20
const maxNameLength = 100

/** What a route declares of its body; undefined: it takes none. */
export type DeclaredBody = { required?: boolean } | undefined

/**
 * Refuses a body that is not declared as JSON or is not JSON, before a schema reads it. A body that is
 * missing is refused where the route requires one, and counts as an empty object where it does not.
 * @throws GatewayError `invalid_request`, `unsupported_media_type`, `invalid_json`, `client_closed`
 */
export async function checkBody(c: Context, declared: DeclaredBody): Promise<void> {
  if (!declared) return
  const text = await c.req.text().catch((error: unknown) => {
    throw c.req.raw.signal.aborted ? clientClosed() : error
  })
  if (text.trim() !== '') return checkJson(c.req.header('content-type') ?? '', text)
  if (declared.required) {
    throw new GatewayError('invalid_request', 'This request needs a JSON object as its body')
  }
  // With a content-type the schema would read a body that is not there.
  const headers = new Headers(c.req.raw.headers)
  headers.delete('content-type')
  c.req.raw = new Request(c.req.url, { method: c.req.method, headers })
}

function checkJson(type: string, text: string): void {
  if (!/^application\/json(;\s*[\w-]+=[^;]+)*$/i.test(type)) {
    throw new GatewayError('unsupported_media_type', 'The content-type must be application/json')
  }
  if (parseJson(text) !== undefined) return
  throw new GatewayError('invalid_json', 'The request body is not valid JSON')
}

/** The path of one record; an id that no record can have is answered as not found. */
export const IdPath = z.object({ id: z.uuid() })

/** The query of a list. */
export const PageQuery = z.strictObject({
  cursor: z.uuid().optional().openapi({ description: '`nextCursor` of the page before' }),
  limit: z.coerce.number().int().min(1).max(100).default(50),
})

/** A switch in a query. */
export const Flag = z.enum(['true', 'false']).transform((text) => text === 'true')

/** The condition of an edit; a weak tag counts too, as a proxy that compresses answers makes tags weak. */
export const IfMatch = z.object({
  'if-match': z
    .string()
    .max(1000)
    .regex(/^\s*(\*|(W\/)?"[^"]*"(\s*,\s*(W\/)?"[^"]*")*)\s*$/, 'Must be the ETag of an answer')
    .optional()
    .openapi({
      description: 'The `ETag` of the record that the edit was made from',
      example: '"3"',
    }),
})

/** The revisions that an If-Match names; undefined = any (RFC 9110 §13.1.1). */
export function revisionsOf(ifMatch: string | undefined): number[] | undefined {
  if (ifMatch === undefined || ifMatch.trim() === '*') return undefined
  return [...ifMatch.matchAll(/"([^"]*)"/g)].map(([, tag]) => Number(tag || Number.NaN))
}

/** The field by which a body names the record that the edit was made from. */
export const UpdatedAt = z.iso.datetime({ offset: true }).exactOptional().openapi({
  description: 'The `updatedAt` of the record that the edit was made from',
})

/**
 * The hook that OpenAPIHono calls with every outcome of a schema.
 * @throws GatewayError `not_found` for a path, `invalid_request` with its issues for anything else.
 */
export function refuseInvalid(
  result: { target: string } & ({ success: true } | { success: false; error: z.core.$ZodError }),
): void {
  if (result.success) return
  if (result.target === 'param') throw new GatewayError('not_found', 'No such record')
  const root = result.target === 'json' ? 'body' : result.target
  const issues = result.error.issues.flatMap((issue) => describe(issue, root)).slice(0, maxIssues)
  const fields = [...new Set(issues.map((issue) => issue.field))].join(', ')
  throw new GatewayError('invalid_request', `The request is not valid: see ${fields}`, { issues })
}

function describe(issue: z.core.$ZodIssue, root: string): Issue[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      field: fieldName([...issue.path, key], root),
      message: 'Unknown field',
    }))
  }
  const isMissing = issue.message.endsWith('received undefined')
  const message = isMissing ? 'Required' : issue.message
  return [{ field: fieldName(issue.path, root), message }]
}

function fieldName(path: PropertyKey[], root: string): string {
  const name = path.length === 0 ? root : path.map(String).join('.')
  return name.length > maxNameLength ? `${name.slice(0, maxNameLength)}…` : name
}
