/** Entry of `npm run dev`: the Worker under `wrangler dev`, with a store and an admin beside it. */
import type { ChildProcess } from 'node:child_process'
import { createServer } from 'node:net'
import { devNull } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { ensureAdmin } from '../admin/session/ensure-admin.ts'
import { ensureSealingKey } from '../catalog/sealing.ts'
import type { Config } from '../config.ts'
import { generatePassword } from '../crypto.ts'
import { createGateway, type Gateway } from '../gateway.ts'
import { systemClock } from '../node/clock.ts'
import { openEngine } from '../node/engines/open-engine.ts'
import { welcome } from '../node/welcome.ts'
import { createRedis, type Engine } from '../store/redis.ts'
import { openLocalBridge } from './worker/local-bridge.ts'
import { readDevSettings } from './worker/settings.ts'
import { quietly, spawnWrangler } from './worker/wrangler.ts'

/** What wrangler itself may need of the environment; everything it gets, the Worker can read. */
const inherited = ['PATH', 'HOME', 'XDG_CONFIG_HOME', 'TMPDIR', 'TERM', 'NO_COLOR', 'FORCE_COLOR']

/** How long wrangler may take to stop before it is killed. */
const stopMs = 5_000

const say = (text: string) => process.stdout.write(`${text}\n`)

/** A gateway over the Worker's store that serves no requests: it only prepares that store. */
function openGateway(config: Config, engine: Engine): Gateway {
  return createGateway({
    ...systemClock,
    config,
    redis: createRedis(engine),
    canProxy: false,
    fetch: () => Promise.reject(new Error('Only the Worker calls upstreams')),
    clientAddress: () => undefined,
    defer: () => {},
    observe: () => {},
  })
}

/** Resolves to `port`, or to a free one for 0. @throws Error that names PORT when it is taken. */
async function claimPort(port: number): Promise<number> {
  const server = createServer()
  return new Promise((resolve, reject) => {
    server.once('error', () => reject(new Error(`PORT: cannot listen on 127.0.0.1:${port}`)))
    server.listen(port, '127.0.0.1', () => {
      const address = server.address()
      const claimed = address && typeof address === 'object' ? address.port : port
      server.close(() => resolve(claimed))
    })
  })
}

function startWorker(port: number, settings: Record<string, string>): ChildProcess {
  const kept = Object.entries(process.env).filter(([name]) => inherited.includes(name))
  const address = ['--ip', '127.0.0.1', '--port', String(port), '--inspector-port', '0']
  // Naming a file, though an empty one, keeps wrangler from preferring .dev.vars to its environment,
  // which is where secrets are safe: not in its arguments, and not in a file.
  const environment = ['--env-file', devNull, '--show-interactive-dev-session=false']
  return spawnWrangler(['dev', ...address, ...environment], {
    env: {
      ...Object.fromEntries(kept),
      ...quietly,
      CLOUDFLARE_INCLUDE_PROCESS_ENV: 'true',
      ...settings,
    },
    stdio: ['ignore', 'inherit', 'inherit'],
    // A group of its own: Ctrl-C reaches this process only, which then stops all of the group.
    detached: true,
  })
}

/** Kills wrangler and all that it started. */
function killGroup(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
  } catch {
    // Every process of the group has ended.
  }
}

/** Waits until the gateway answers; wrangler reports a broken build, and the user repairs it. */
async function untilHealthy(url: string, signal: AbortSignal): Promise<void> {
  for (;;) {
    const response = await fetch(`${url}/health`, { signal }).catch(() => undefined)
    if (response?.ok) return
    await delay(response ? 1_000 : 100, undefined, { signal })
  }
}

/** Makes the admin only now that the URL works: a start that fails must not have shown the password. */
async function welcomeFirst(gateway: Gateway, url: string): Promise<void> {
  const { ADMIN_USERNAME: username, ADMIN_PASSWORD: chosen } = gateway.runtime.config
  const generatedPassword = chosen ? undefined : generatePassword()
  const admin = await ensureAdmin(gateway, {
    actor: { kind: 'system', name: 'start' },
    password: chosen ?? generatedPassword,
  })
  if (admin === 'created') say(welcome({ url, username, generatedPassword }))
  else say(`The gateway runs on ${url}`)
}

/** Runs until wrangler ends or `stopped` aborts; resolves to the exit code. */
async function dev(stopped: AbortSignal): Promise<number> {
  const { config, port: wanted, forWorker, questions } = readDevSettings(process.env)
  for (const { setting, message } of questions) say(`${setting}: ${message}`)
  const port = await claimPort(wanted)
  const { name, engine } = await openEngine(config, stopped)
  const gateway = openGateway(config, engine)
  await ensureSealingKey(gateway)
  const bridge = name === 'upstash' ? undefined : await openLocalBridge(engine)
  stopped.throwIfAborted()
  const child = startWorker(port, { ...forWorker, ...bridge?.settings })
  const over = new AbortController()
  const exited = new Promise<number>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => resolve(code ?? 1))
  }).finally(() => over.abort())
  const stop = () => {
    child.kill('SIGTERM')
    setTimeout(() => killGroup(child), stopMs).unref()
  }
  stopped.addEventListener('abort', stop)
  const url = `http://127.0.0.1:${port}`
  untilHealthy(url, over.signal)
    .then(() => welcomeFirst(gateway, url))
    .catch((error) => over.signal.aborted || say(String(error)))
  const code = await exited
  // However wrangler ended, its runtime must end too.
  killGroup(child)
  await bridge?.close()
  await engine.close()
  return stopped.aborted ? 0 : code
}

// What the store writes is readable by its owner only.
process.umask(0o077)

const stopped = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => stopped.abort())
}
try {
  process.exit(await dev(stopped.signal))
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(stopped.signal.aborted ? 0 : 1)
}
