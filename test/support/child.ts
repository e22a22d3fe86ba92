/** Starts a program of this project as its users do: in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { compileCache } from './compile-cache.ts'

export interface Child {
  process: ChildProcess
  /** Resolves to the exit code, null after a kill, once all output has been read. */
  exited: Promise<number | null>
  /** What it has printed so far. */
  stdout(): string
  stderr(): string
  /** Resolves as soon as `stdout` matches, or the process has ended. */
  printed(pattern: RegExp): Promise<void>
}

/** Runs `entry` with this Node and nothing of this environment but `env`; its PATH is ours by default. */
export function startChild(
  entry: string,
  options: { args?: string[]; cwd: string; env: Record<string, string> },
): Child {
  const { args = [], cwd } = options
  const PATH = process.env.PATH ?? ''
  const env = { PATH, NODE_COMPILE_CACHE: compileCache, ...options.env }
  const child = spawn(process.execPath, [entry, ...args], { cwd, env })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (bytes) => {
    stdout += bytes
  })
  child.stderr.on('data', (bytes) => {
    stderr += bytes
  })
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve))
  return {
    process: child,
    exited,
    stdout: () => stdout,
    stderr: () => stderr,
    printed: (pattern) =>
      new Promise((resolve) => {
        const check = () => pattern.test(stdout) && resolve()
        child.stdout.on('data', check)
        child.once('close', () => resolve())
        check()
      }),
  }
}
