/** Which models an account serves, and by which names it calls them. */

/** Empty = every model; a list restricts; a map restricts and renames (asked → sent upstream). */
export type SupportedModels = readonly string[] | Readonly<Record<string, string>>

/** What Claude Code appends to a model to ask for a context of a million tokens. */
const longContext = '[1m]'

/**
 * The model to send upstream for `model`; undefined when it is not served. The exact name counts first,
 * then the same without `[1m]`, then the longest pattern that ends with `*`. A renaming keeps `[1m]`, and
 * what its own `*` stands for.
 */
export function upstreamModel(supported: SupportedModels, model: string): string | undefined {
  const names = namesIn(supported)
  if (names.length === 0) return model
  const exact = renamed(supported, model)
  if (exact !== undefined) return exact
  if (model.endsWith(longContext)) {
    const base = renamed(supported, model.slice(0, -longContext.length))
    if (base !== undefined) return base.endsWith(longContext) ? base : base + longContext
  }
  const pattern = names
    .filter((name) => name.endsWith('*') && model.startsWith(name.slice(0, -1)))
    .toSorted((a, b) => b.length - a.length)[0]
  if (pattern === undefined) return undefined
  const target = renamed(supported, pattern) ?? pattern
  return target.endsWith('*') ? target.slice(0, -1) + model.slice(pattern.length - 1) : target
}

/** The models that it names, as clients ask for them; patterns left out. Undefined: it serves every model. */
export function listedModels(supported: SupportedModels): string[] | undefined {
  const names = namesIn(supported)
  if (names.length === 0 || names.includes('*')) return undefined
  return names.filter((name) => !name.endsWith('*'))
}

const namesIn = (supported: SupportedModels): readonly string[] =>
  Array.isArray(supported) ? supported : Object.keys(supported)

function renamed(supported: SupportedModels, name: string): string | undefined {
  if (Array.isArray(supported)) return supported.includes(name) ? name : undefined
  return Object.hasOwn(supported, name) ? Reflect.get(supported, name) : undefined
}
