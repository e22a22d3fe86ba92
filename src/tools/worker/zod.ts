/**
 * What the Worker's bundle takes for `zod` (`alias` in wrangler.toml). Zod is handed on as a whole by
 * what describes schemas, so that a bundler by itself leaves out none of it.
 */
import * as z from './zod-parts.ts'

export * from './zod-parts.ts'
export { z }
