import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { logIn } from '../hosts/client.ts'
import { startChild } from '../support/child.ts'
import { has } from '../support/lanes.ts'

const tools = join(import.meta.dirname, '..', '..', 'src', 'tools')
/** Bundling the Worker takes ten seconds of computing, and a busy machine has less of it to give. */
const patient = { timeout: 180_000 }
const ADMIN_PASSWORD = 'correct horse battery staple'

function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'tools-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

const leftBehindIn = (cwd: string) => readdirSync(cwd).filter((name) => name !== '.dev.vars')

/** Starts a tool as npm does, but with an empty .dev.vars in place of that of the checkout. */
function launch(tool: string, args: string[] = [], settings: Record<string, string> = {}) {
  const cwd = temporaryDirectory()
  writeFileSync(join(cwd, '.dev.vars'), '')
  const { HOME = '' } = process.env
  // Without a PATH: whatever a tool starts, it starts with the Node that runs it.
  const env = { PATH: '', HOME, TMPDIR: cwd, NO_COLOR: '1', ...settings }
  const child = startChild([join(tools, `${tool}.ts`), ...args], { cwd, env })
  onTestFinished(async () => {
    child.process.kill('SIGTERM')
    await child.exited
  })
  return { ...child, cwd }
}

async function run(tool: string, args: string[] = [], settings: Record<string, string> = {}) {
  const { exited, stdout, stderr, cwd } = launch(tool, args, settings)
  return { code: await exited, stdout: stdout(), stderr: stderr(), leftBehind: leftBehindIn(cwd) }
}

interface Process {
  pid: number
  parent: number
  command: string
}

/** Every running process of this machine; those that only wait to be reaped do not run. */
function listProcesses(): Process[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return pids.flatMap((pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
      return state === 'Z' ? [] : [{ pid: Number(pid), parent: Number(parent), command }]
    } catch {
      return [] // it ended meanwhile
    }
  })
}

function descendants(of: number | undefined, all = listProcesses()): Process[] {
  const children = all.filter(({ parent }) => parent === of)
  return children.flatMap((child) => [child, ...descendants(child.pid, all)])
}

async function startDev(settings: Record<string, string>) {
  const dev = launch('dev', [], { PORT: '0', ...settings })
  const [, url = ''] = await dev.printed(/^The gateway runs on (\S+)\n/m)
  const family = descendants(dev.process.pid)
  const gateway = {
    url,
    adminPassword: ADMIN_PASSWORD,
    noticesQuietLeave: false,
    canProxy: false,
    log: [],
  }
  const host = { ...gateway, restart: async () => {}, close: async () => {} }
  const survivors = () => {
    const alive = new Set(listProcesses().map(({ pid }) => pid))
    return family.filter(({ pid }) => alive.has(pid))
  }
  return { ...dev, url, host, family, survivors }
}

describe.runIf(has('processes'))('npm run demo', patient, () => {
  const story = [
    /A sample upstream runs on http:\/\/127\.0\.0\.1:\d+/,
    /The gateway runs (on Node|in workerd) on http:\/\/127\.0\.0\.1:\d+/,
    /account "sample"/,
    /a gateway key for the team: cr_\w{4}…/,
    /A member asks claude-sonnet-4-6 through @anthropic-ai\/sdk/,
    /Hello! .* exactly once\./,
    /The usage ledger has it: 1 request, 24 input \+ 1850 cached \+ 77 output tokens = \$0\.001782/,
    /Everything is stopped and removed again/,
  ]

  it.each([
    { gateway: 'the Node host', args: [] },
    { gateway: 'the Worker in workerd', args: ['--worker'] },
  ])('streams one message through $gateway and shows what it cost', async ({ args }) => {
    const { code, stdout, stderr, leftBehind } = await run('demo', args)
    expect([stderr, code, leftBehind]).toEqual(['', 0, []])
    const text = stdout.replace(/\s+/g, ' ')
    const positions = story.map((line) => text.search(line))
    expect(positions).toEqual(positions.filter((at) => at >= 0).sort((a, b) => a - b))
  })

  it.each([
    { moment: 'while the gateway starts', line: /A sample upstream runs/ },
    { moment: 'while the answer streams', line: /Hello!/ },
  ])('stops and leaves nothing behind when it is interrupted $moment', async ({ line }) => {
    const demo = launch('demo')
    await demo.printed(line)
    demo.process.kill('SIGINT')
    expect(await demo.exited).toBe(1)
    expect([demo.stderr(), leftBehindIn(demo.cwd)]).toEqual(['\nStopped\n', []])
    expect(demo.stdout()).not.toContain('usage ledger')
  })
})

describe.runIf(has('processes'))('npm run build', patient, () => {
  it('bundles the Worker and prints its sizes and start-up time next to the budgets', async () => {
    const outdir = temporaryDirectory()
    const { code, stdout, stderr, leftBehind } = await run('build', [outdir])
    expect([stderr, code, leftBehind]).toEqual(['', 0, []])
    expect(statSync(join(outdir, 'worker.js')).size).toBeGreaterThan(100_000)
    expect(stdout).toMatch(/^ {2}upload +\d+\.\d KiB$/m)
    expect(stdout).toMatch(/^ {2}gzipped +\d+\.\d KiB +within the budget of 265 KiB$/m)
    expect(stdout).toMatch(/^ {2}start-up CPU +\d+\.\d ms +(within|OVER) the budget of 1000 ms$/m)
  })

  it('fails with what wrangler says when wrangler fails', async () => {
    const { code, stderr } = await run('build', ['/dev/null/dist'])
    expect(code).toBe(1)
    expect(stderr).toMatch(/^wrangler deploy failed\n.*\/dev\/null\/dist/s)
  })
})

describe.runIf(has('processes') && existsSync('/proc/self/stat'))('npm run dev', patient, () => {
  it('serves the Worker with an admin, keeps secrets to itself, and stops on SIGTERM', async () => {
    const DATA_DIR = temporaryDirectory()
    const first = await startDev({ DATA_DIR, ADMIN_PASSWORD })
    expect((await fetch(`${first.url}/health`)).status).toBe(200)
    const { key } = await (await logIn(first.host)).createKey()
    expect(key).toMatch(/^cr_/)
    expect(first.stdout()).toContain('admin password  as set in ADMIN_PASSWORD')

    const secrets = [
      ADMIN_PASSWORD,
      ...Object.values<string>(JSON.parse(readFileSync(join(DATA_DIR, 'secrets.json'), 'utf8'))),
    ]
    const shown = [first.stdout(), first.stderr(), ...first.family.map(({ command }) => command)]
    for (const secret of secrets) expect(shown.filter((text) => text.includes(secret))).toEqual([])

    expect(first.family.filter(({ command }) => /\bworkerd serve\b/.test(command))).not.toEqual([])
    first.process.kill('SIGTERM')
    expect(await first.exited).toBe(0)
    await expect.poll(first.survivors).toEqual([])
    expect(leftBehindIn(first.cwd)).toEqual([])
  })

  it('shows a generated password once, and ends with wrangler when that dies', async () => {
    const DATA_DIR = temporaryDirectory()
    const dev = await startDev({ DATA_DIR })
    const adminPassword = /admin password {2}(\S+) /.exec(dev.stdout())?.[1] ?? ''
    await logIn({ ...dev.host, adminPassword })
    process.kill(dev.family[0]?.pid ?? 0, 'SIGKILL')
    expect(await dev.exited).toBe(1)
    // A killed process takes a moment to be gone.
    await expect.poll(dev.survivors).toEqual([])
  })

  it('names PORT when it is taken', async () => {
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void other.close())
    const address = other.address()
    const port = typeof address === 'object' ? String(address?.port) : ''
    const { code, stderr } = await run('dev', [], { DATA_DIR: temporaryDirectory(), PORT: port })
    expect([code, stderr]).toEqual([1, `PORT: cannot listen on 127.0.0.1:${port}\n`])
  })
})
