/** Wrangler as a child process that stays on this machine and asks nothing. */
import { type ChildProcess, execFile, type SpawnOptions, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'

/** The directory of package.json and wrangler.toml. */
export const root = join(import.meta.dirname, '..', '..', '..')

// Run by this Node, whichever one the PATH may name: wrangler refuses an older one.
const entry = join(root, 'node_modules', 'wrangler', 'bin', 'wrangler.js')

/** Keeps wrangler from reporting usage, looking up a location, and asking for updates. */
export const quietly = {
  WRANGLER_SEND_METRICS: 'false',
  CLOUDFLARE_CF_FETCH_ENABLED: 'false',
  WRANGLER_HIDE_BANNER: 'true',
}

/** The environment with this Node first on the PATH: the build command of wrangler.toml starts `node`. */
function withThisNode(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const paths = [dirname(process.execPath), env.PATH ?? ''].filter((path) => path !== '')
  return { ...env, PATH: paths.join(delimiter) }
}

/** Runs wrangler to its end. @throws Error with its output, if it fails. */
export function runWrangler(args: string[], signal?: AbortSignal): Promise<void> {
  const env = withThisNode({ ...process.env, ...quietly })
  return new Promise((resolve, reject) => {
    execFile(
      process.execPath,
      [entry, ...args],
      { cwd: root, env, signal },
      (error, stdout, stderr) => {
        if (error) reject(new Error(`wrangler ${args[0]} failed\n${stdout}${stderr}`.trimEnd()))
        else resolve()
      },
    )
  })
}

/** Starts a wrangler that runs until it is stopped. */
export function spawnWrangler(args: string[], options: SpawnOptions): ChildProcess {
  const env = withThisNode(options.env ?? process.env)
  return spawn(process.execPath, [entry, ...args], { cwd: root, ...options, env })
}

/** Gives `work` a directory that only its owner can read, and removes it afterwards. */
export async function withTemporaryDirectory<T>(
  work: (directory: string) => Promise<T>,
): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'relay-'))
  try {
    return await work(directory)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
