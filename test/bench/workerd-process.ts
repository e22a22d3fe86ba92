/** A Worker in a workerd of its own, as `workerd serve` runs it, and what that process uses. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { directory } from './peers.ts'

export interface WorkerSource {
  name: string
  script: string
  compatibilityDate: string
  compatibilityFlags: string[]
  bindings: Record<string, string>
}

export interface WorkerProcess {
  url: string
  /** User and system time of all its threads so far. */
  cpuMicroseconds(): number
  residentBytes(): number
  stop(): Promise<void>
}

const running = new Set<ChildProcess>()

/** The binary itself: the package's launcher would be a process of its own. */
const binary = createRequire(import.meta.resolve('miniflare'))('workerd').default as string

const quoted = (text: string) => JSON.stringify(text)

function configOf({ compatibilityDate, compatibilityFlags, bindings }: WorkerSource): string {
  const texts = Object.entries(bindings).map(
    ([name, text]) => `(name = ${quoted(name)}, text = ${quoted(text)})`,
  )
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "internet", network = (allow = ["public", "private"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "worker.js")],
  compatibilityDate = ${quoted(compatibilityDate)},
  compatibilityFlags = [${compatibilityFlags.map(quoted).join(', ')}],
  bindings = [${texts.join(', ')}],
);
`
}

/** Starts workerd with one Worker on a free port. @throws Error with its output, if it ends instead. */
export async function serveWorker(source: WorkerSource): Promise<WorkerProcess> {
  const home = join(directory(), source.name)
  mkdirSync(home, { recursive: true })
  writeFileSync(join(home, 'worker.js'), source.script)
  writeFileSync(join(home, 'config.capnp'), configOf(source))
  const child = spawn(binary, ['serve', '--control-fd=3', 'config.capnp'], {
    cwd: home,
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  child.once('exit', () => running.delete(child))
  let output = ''
  child.stderr?.on('data', (text) => {
    output = (output + text).slice(-4_000)
  })
  const port = await Promise.race([portOf(child.stdio[3] as Readable), once(child, 'exit')])
  if (typeof port !== 'number') throw new Error(`workerd ended: ${output}`)
  const proc = join('/proc', `${child.pid}`)
  return {
    url: `http://127.0.0.1:${port}`,
    cpuMicroseconds: () => {
      const threads = readdirSync(join(proc, 'task'))
      const stats = threads.map((id) => readFileSync(join(proc, 'task', id, 'schedstat'), 'latin1'))
      // The first number is nanoseconds on a processor.
      return stats.reduce((sum, stat) => sum + Number(stat.split(' ', 1)[0]) / 1000, 0)
    },
    residentBytes: () => {
      const [, pages] = readFileSync(join(proc, 'statm'), 'latin1').split(' ')
      return Number(pages) * 4096
    },
    stop: () => stop(child),
  }
}

/** The port that workerd says it listens on. */
async function portOf(control: Readable): Promise<number | undefined> {
  for await (const line of createInterface(control)) {
    const { event, port } = JSON.parse(line)
    if (event === 'listen') return port
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}

/** Ends every workerd that was started here. */
export async function stopWorkers(): Promise<void> {
  await Promise.all([...running].map(stop))
}
