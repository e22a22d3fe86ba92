/** Reads the error object of an answer, in the forms that vendors and relays give it. */
import { z } from 'zod'
import { parseJson } from '../../json.ts'

const text = z.string().nullish().catch(undefined)
const scalar = z.union([z.string(), z.number()]).nullish().catch(undefined)

const WireError = z.object({
  type: text,
  code: text,
  // Relays of the one-api family add their id to whatever their upstream said.
  message: text.transform((message) => message?.replace(/ \(request id: [\w-]+\)$/, '')),
  details: z.object({ error_code: text }).nullish().catch(undefined),
  resets_at: scalar,
  resets_in_seconds: scalar,
})

/** The fields of an error object that decisions depend on; one of an unexpected type is undefined. */
export type WireError = z.infer<typeof WireError>

/** The fields of an error object; undefined where they are missing or of another type. */
export function asWireError(error: unknown): WireError {
  return WireError.safeParse(error).data ?? WireError.parse({})
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * The error that a body carries: `{"error":{…}}` as vendors write it, `{"error":"…"}`,
 * `{"detail":…}` of ChatGPT's backend, or `{"code","message"}` of relays; undefined if none.
 */
export function readError(body: string): WireError | undefined {
  const root = parseJson(body)
  if (!isObject(root)) return undefined
  const { error, detail, message } = root
  if (isObject(error)) return asWireError(error)
  if (isObject(detail)) return asWireError(detail)
  const words = [message, error, detail].find((value) => typeof value === 'string')
  return words === undefined ? undefined : asWireError({ ...root, message: words })
}
