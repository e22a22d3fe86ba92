/** The shape of the code base, checked on its own imports. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = join(import.meta.dirname, '..', 'src')

/** Lower may not import higher, not even a type; the same rank may, as long as nothing goes round in a circle. */
const ranks: [pattern: RegExp, rank: number][] = [
  [/^(node|worker|cloudflare-workers\.d)\.ts$|^(node|tools)\//, 11],
  [/^app\.ts$/, 10],
  [/^admin\//, 9],
  [/^relay\//, 8],
  [/^gateway\.ts$/, 7],
  [/^(dialects|platforms)\//, 6],
  [/^ledger\//, 5],
  [/^catalog\//, 4],
  [/^(store|observe)\//, 3],
  [/^runtime\.ts$/, 2],
  [/^domain\//, 1],
  // A single file at the top imports nothing from above itself.
  [/^[\w-]+\.ts$/, 0],
]
const hostRank = 11

const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) =>
  /\.tsx?$/.test(file),
)
/** Static imports and exports of values and types, imports for their effects, and `import()`. */
const specifier = /\b(?:from|import)\s*\(?\s*'([^']+)'/g
const importsOf = new Map(
  files.map((file) => {
    const source = readFileSync(join(root, file), 'utf8')
    return [file, [...source.matchAll(specifier)].map((match) => match[1] ?? '')]
  }),
)
const rankOf = (file: string) => ranks.find(([pattern]) => pattern.test(file))?.[1] ?? -1
const localImports = (file: string) =>
  (importsOf.get(file) ?? [])
    .filter((specifier) => specifier.startsWith('.'))
    .map((specifier) => normalize(join(dirname(file), specifier)))

describe('the code base', () => {
  it('finds every file and gives it a rank', () => {
    expect(files.length).toBeGreaterThan(30)
    expect(files.filter((file) => rankOf(file) < 0)).toEqual([])
  })

  it('imports point down only', () => {
    const upward = files.flatMap((file) =>
      localImports(file)
        .filter((target) => rankOf(target) > rankOf(file))
        .map((target) => `${file} → ${target}`),
    )
    expect(upward).toEqual([])
  })

  it('no file imports itself through others', () => {
    const reaches = (from: string, goal: string, seen = new Set<string>()): boolean =>
      localImports(from).some((next) => {
        if (next === goal) return true
        if (seen.has(next)) return false
        seen.add(next)
        return reaches(next, goal, seen)
      })
    expect(files.filter((file) => reaches(file, file))).toEqual([])
  })

  it('platforms are reached through their registry, and dialects through the table of routes', () => {
    const importers = (folder: string, shared: string[]) =>
      files.filter((file) =>
        localImports(file).some(
          (target) =>
            target.startsWith(folder) &&
            !file.startsWith(folder) &&
            !shared.includes(target.slice(folder.length)),
        ),
      )
    const ofPlatforms = ['platform.ts', 'prepare-request.ts', 'registry.ts']
    expect(importers('platforms/', ofPlatforms)).toEqual([])
    const ofDialects = ['dialect.ts', 'headers.ts', 'json-scan.ts']
    // The application answers unknown routes in the dialect of most clients.
    expect(importers('dialects/', ofDialects).toSorted()).toEqual(['app.ts', 'relay/routes.ts'])
  })

  it('only the Node host imports from node:, but for node:crypto', () => {
    const strays = files
      .filter((file) => rankOf(file) < hostRank)
      .filter((file) =>
        (importsOf.get(file) ?? []).some(
          (specifier) => specifier.startsWith('node:') && specifier !== 'node:crypto',
        ),
      )
    expect(strays).toEqual([])
  })

  it('only the hosts import observers of events, which nothing else may ask', () => {
    const askers = files
      .filter((file) => rankOf(file) < hostRank && !file.startsWith('observe/'))
      .filter((file) => localImports(file).some((target) => target.startsWith('observe/')))
    expect(askers).toEqual([])
  })

  it('only the hosts know what time it is: everything else is lent a clock', () => {
    const global =
      /\b(setTimeout|setInterval|setImmediate|Date\.now|performance\.|AbortSignal\.timeout)|new Date\(\)/
    // A program for browsers, which has a clock of its own.
    const isPage = (file: string) => file === 'admin/docs/script.ts'
    const readers = files
      .filter((file) => rankOf(file) < hostRank && !isPage(file))
      .filter((file) => global.test(readFileSync(join(root, file), 'utf8')))
    expect(readers).toEqual([])
  })

  it('only the hosts read the environment', () => {
    const readers = files
      .filter((file) => rankOf(file) < hostRank)
      .filter((file) => /\bprocess\./.test(readFileSync(join(root, file), 'utf8')))
    expect(readers).toEqual([])
  })
})
