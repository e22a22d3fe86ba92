/** The Worker as a deployment would bundle it, built once for each state of its sources. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { compileCache } from '../support/compile-cache.ts'

export interface WorkerBuild {
  script: string
  compatibilityDate: string
  compatibilityFlags: string[]
}

const root = join(import.meta.dirname, '..', '..')
const wrangler = join(root, 'node_modules', 'wrangler', 'bin', 'wrangler.js')

/** All that a bundle depends on: the sources, what they import, and how they are bundled. */
function digestOfSources(): string {
  const options = { recursive: true, withFileTypes: true } as const
  const sources = readdirSync(join(root, 'src'), options)
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
  const others = ['wrangler.toml', 'tsconfig.json', 'package.json', 'package-lock.json']
  const hash = createHash('sha256')
  for (const path of [...sources.sort(), ...others.map((name) => join(root, name))]) {
    const content = readFileSync(path)
    hash.update(`${path} ${content.length}\n`).update(content)
  }
  return hash.digest('hex')
}

async function bundle(directory: string): Promise<WorkerBuild> {
  const args = [wrangler, 'deploy', '--dry-run', '--outdir', directory]
  const quietly = { WRANGLER_SEND_METRICS: 'false', WRANGLER_HIDE_BANNER: 'true' }
  const env = { ...process.env, ...quietly, NODE_COMPILE_CACHE: compileCache }
  // Large, and needed only where nothing was built yet: it loads while the bundle is made.
  const [{ unstable_readConfig }] = await Promise.all([
    import('wrangler'),
    promisify(execFile)(process.execPath, args, { cwd: root, env }),
  ])
  const config = unstable_readConfig({ config: join(root, 'wrangler.toml') })
  return {
    script: readFileSync(join(directory, 'worker.js'), 'utf8'),
    compatibilityDate: config.compatibility_date ?? '',
    compatibilityFlags: config.compatibility_flags,
  }
}

/** One file for each checkout; whoever finds it made from other sources replaces it. */
async function readOrBuild(): Promise<WorkerBuild> {
  const checkout = createHash('sha256').update(root).digest('hex').slice(0, 16)
  const file = join(tmpdir(), `gateway-worker-${checkout}.json`)
  const digest = digestOfSources()
  try {
    const kept = JSON.parse(readFileSync(file, 'utf8'))
    if (kept.digest === digest) return kept.build
  } catch {
    // Not there yet, or not whole.
  }
  const directory = mkdtempSync(join(tmpdir(), 'worker-'))
  try {
    const build = await bundle(directory)
    const written = join(directory, 'build.json')
    writeFileSync(written, JSON.stringify({ digest, build }))
    renameSync(written, file)
    return build
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

let build: Promise<WorkerBuild> | undefined

/** Builds the Worker, unless that was done before: by this process, by another, or by an earlier run. */
export function buildWorker(): Promise<WorkerBuild> {
  build ??= readOrBuild()
  return build
}
