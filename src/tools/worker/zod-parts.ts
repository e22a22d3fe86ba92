/** All of zod that the Worker uses, and nothing that a bundler cannot leave out by itself. */
export * from 'zod/v4'

// Names of this module come before those of `export *`: all of zod as one, errors in fifty languages,
// and other uses of schemas than to parse.
export const z = {}
export const locales = {}
export const core = {}
export const compile = undefined
export const withParser = undefined
export const fromJSONSchema = undefined
export const toJSONSchema = undefined
export const deepPartial = undefined
