/**
 * Drives the real Claude Code and Codex through the gateway on both hosts: `npm run acceptance`, or with
 * `-- --quick` only the newest of each on Node. Installs them below ACCEPTANCE_DIR (a temporary directory),
 * speaks to loopback only, and exits 1 where a client does not get what it would get from the vendor.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { logIn } from '../hosts/client.ts'
import type { GatewayHost } from '../hosts/host.ts'
import { startNodeHost } from '../hosts/node.ts'
import { startWorkerHost } from '../hosts/worker.ts'
import { startSocketUpstream } from '../support/socket-upstream.ts'
import { json, startUpstream } from '../support/upstream.ts'
import { type Access, type Cli, installClis, makeHome, runTurn, type Turn } from './clis.ts'
import { runInteractive } from './interactive.ts'
import { converse, converseOnSocket, expectedText, toolWord } from './upstream.ts'

const isQuick = process.argv.includes('--quick')
/** A client that repeats or sleeps for longer has been told the wrong thing. */
const maxSeconds = 20
const print = (line: string) => process.stdout.write(`${line}\n`)

const upstream = await startUpstream()
const sockets = await startSocketUpstream()
sockets.behave(converseOnSocket)
const directory = process.env.ACCEPTANCE_DIR ?? mkdtempSync(join(tmpdir(), 'acceptance-clis-'))
const clis = installClis(directory, isQuick)
const hosts: [name: string, start: () => Promise<GatewayHost>][] = [
  ['Node', () => startNodeHost({ UPSTREAM_FIRST_BYTE_TIMEOUT_SECONDS: '10' })],
  ['Workers', () => startWorkerHost({ UPSTREAM_FIRST_BYTE_TIMEOUT_SECONDS: '10' })],
]

let failures = 0
print(
  '| client | version | host | scenario | upstream | gateway | seconds | exit | verdict | said |',
)
print('|---|---|---|---|---|---|---|---|---|---|')
for (const [hostName, start] of isQuick ? hosts.slice(0, 1) : hosts) {
  const host = await start()
  try {
    for (const cli of clis) await runAll(hostName, host, cli)
  } finally {
    await host.close()
  }
}
await upstream.close()
await sockets.close()
if (process.env.ACCEPTANCE_DIR === undefined) {
  rmSync(directory, { recursive: true, force: true })
}
print(failures === 0 ? 'Every client got what it should.' : `${failures} scenarios failed.`)
process.exit(failures === 0 ? 0 : 1)

interface Expected {
  /** The answer of the upstream was shown. */
  isAnswered: boolean
  /** Requests that the client may make at most; old ones of Claude Code begin with eight at once. */
  maxRequests: number
}

async function runAll(hostName: string, host: GatewayHost, cli: Cli): Promise<void> {
  const admin = await logIn(host)
  const isCodex = cli.name === 'Codex'
  const platform = isCodex ? 'codex' : 'claude-console'
  const model = isCodex ? 'gpt-5-codex' : 'claude-sonnet-4-6'
  const apiUrl = isCodex ? `${upstream.url}/v1` : upstream.url
  const credential = isCodex ? 'sk-acceptance' : 'sk-ant-acceptance'
  const account = await admin.createAccount({ apiUrl, apiKey: credential }, platform)
  const { key } = await admin.createKey()
  const access = { url: host.url, key, model }
  let home = makeHome(cli, access)

  const run = async (
    scenario: string,
    asked: Access,
    expected: Expected,
    options: { prompt?: string; isResumed?: boolean; isInteractive?: boolean } = {},
  ) => {
    upstream.requests.length = 0
    host.log.length = 0
    const { prompt = 'say hi', isResumed = false, isInteractive = false } = options
    const limitSeconds = 120
    const turn = isInteractive
      ? await runInteractive(cli, asked, home, { prompt, expected: expectedText, limitSeconds: 40 })
      : await runTurn(cli, asked, home, { prompt, isResumed, limitSeconds })
    const ended = ['served', 'unserved', 'error_answered'].flatMap((event) =>
      host.log.filter((line) => line.includes(`"event":"${event}"`)),
    )
    const names = ended.map((line) => JSON.parse(line).requestId)
    const requests = new Set(names).size
    const isGood = judge(turn, expected, requests)
    if (!isGood) failures++
    const said = firstLine(turn.output)
    print(
      `| ${cli.name} | ${cli.version} | ${hostName} | ${scenario} | ${upstream.requests.length} | ${requests} | ${turn.seconds.toFixed(1)} | ${turn.code ?? 'killed'} | ${isGood ? 'good' : 'BAD'} | ${said} |`,
    )
  }
  const fresh = (asked: Access) => {
    rmSync(home, { recursive: true, force: true })
    home = makeHome(cli, asked)
  }

  upstream.behave(credential, converse)
  await run('print', access, { isAnswered: true, maxRequests: 10 })
  await run('continue', access, { isAnswered: true, maxRequests: 10 }, { isResumed: true })
  fresh(access)
  await run('interactive', access, { isAnswered: true, maxRequests: 12 }, { isInteractive: true })
  if (!isCodex) {
    const prompt = `${toolWord}: print a word`
    await run('tool', access, { isAnswered: true, maxRequests: 12 }, { prompt })
  }
  const isOldClaude = cli.version.startsWith('2.0')
  const most = isOldClaude ? 10 : isCodex ? 6 : 2
  const refused: [string, object | undefined, number][] = [
    ['unknown key', undefined, most],
    ['model not allowed', { enableModelRestriction: true, restrictedModels: ['other'] }, most],
    ['budget spent', { totalCostLimit: 4e-10 }, most],
  ]
  for (const [scenario, fields, maxRequests] of refused) {
    const asked = { ...access, key: 'cr_this_key_does_not_exist_at_all_000' }
    if (fields) asked.key = (await admin.createKey(fields as Record<string, unknown>)).key
    if (scenario === 'budget spent') {
      fresh(asked)
      await runTurn(cli, asked, home, { prompt: 'say hi', limitSeconds: 60 })
    }
    fresh(asked)
    await run(scenario, asked, { isAnswered: false, maxRequests })
  }
  fresh(access)
  upstream.behave(credential, json(529, { error: { message: 'Overloaded' } }), converse)
  await run('overloaded once', access, { isAnswered: true, maxRequests: 10 })
  if (isCodex && cli.version.startsWith('0.169')) {
    await admin.request('PUT', `/accounts/codex/${account.id}`, {
      apiUrl: sockets.url,
      apiKey: credential,
    })
    const asked = { ...access, websocket: true }
    fresh(asked)
    await run('WebSocket', asked, { isAnswered: true, maxRequests: 10 })
  }
  await admin.request('DELETE', `/accounts/${platform}/${account.id}`)
  rmSync(home, { recursive: true, force: true })
}

function judge({ code, output, seconds }: Turn, expected: Expected, requests: number): boolean {
  if (code === null || requests > expected.maxRequests || seconds > maxSeconds) return false
  if (expected.isAnswered) return code === 0 && output.includes(expectedText)
  return !output.includes(expectedText)
}

/** The first line that says what went wrong, or else the last line. */
function firstLine(output: string): string {
  const lines = output
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('WARNING'))
  const telling = lines.find((line) => /error|limit|invalid|not |budget/i.test(line))
  return (telling ?? lines.at(-1) ?? '').slice(0, 140).replaceAll('|', '/')
}
