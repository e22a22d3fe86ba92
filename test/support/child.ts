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
  /** Resolves in the turn in which `stdout` matches. @throws Error with the output if the process ends before. */
  printed(pattern: RegExp): Promise<RegExpExecArray>
}

/** Runs this Node with `args` and nothing of this environment but `env`; its PATH is ours by default. */
export function startChild(
  args: string[],
  options: { cwd: string; env?: Record<string, string> },
): Child {
  const { cwd } = options
  const PATH = process.env.PATH ?? ''
  const env = { PATH, NODE_COMPILE_CACHE: compileCache, ...options.env }
  const child = spawn(process.execPath, args, { cwd, env })
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
      new Promise((resolve, reject) => {
        const check = () => {
          const match = pattern.exec(stdout)
          if (match) resolve(match)
        }
        child.stdout.on('data', check)
        child.once('close', () =>
          reject(new Error(`it ended before it printed ${pattern}: ${stdout}${stderr}`)),
        )
        check()
      }),
  }
}
