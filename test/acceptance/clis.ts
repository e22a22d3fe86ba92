/** The real command-line clients: where they are installed, and how one turn is asked of each. */
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Cli {
  name: 'Claude Code' | 'Codex'
  version: string
  /** The program to start, and what comes before the arguments of a turn. */
  command: string[]
}

/** What one turn came to. */
export interface Turn {
  code: number | null
  seconds: number
  output: string
}

/** Where the gateway is, and who asks. */
export interface Access {
  url: string
  key: string
  model: string
  /** Codex opens a WebSocket first. */
  websocket?: boolean
}

/** Packages by version: the newest, and old ones that behave in other ways. */
const claudeVersions = ['2.1.330', '2.0.77', '1.0.128']
const codexVersions = ['0.169.0', '0.130.0', '0.80.0']

/** Installs what is missing below `directory`; a client that cannot be installed is left out, and said so. */
export function installClis(directory: string, isQuick: boolean): Cli[] {
  const newest = (versions: string[]) => (isQuick ? versions.slice(0, 1) : versions)
  const clis = [
    ...newest(claudeVersions).map((version) => installClaude(directory, version)),
    ...newest(codexVersions).map((version) => installCodex(directory, version)),
  ]
  return clis.filter((cli) => cli !== undefined)
}

function install(directory: string, packages: string[]): boolean {
  mkdirSync(directory, { recursive: true })
  const args = ['install', '--prefix', directory, '--ignore-scripts', '--no-save', ...packages]
  try {
    execFileSync('npm', args, { stdio: 'pipe', timeout: 300_000 })
    return true
  } catch (error) {
    process.stderr.write(`left out: ${packages.join(' ')} could not be installed (${error})\n`)
    return false
  }
}

function installClaude(directory: string, version: string): Cli | undefined {
  const place = join(directory, `claude-${version}`)
  const scope = join(place, 'node_modules', '@anthropic-ai')
  // Since 2.1.113 the program is a binary in a package of its own.
  const isNative = version.startsWith('2.1')
  const name = isNative ? '@anthropic-ai/claude-code-linux-x64' : '@anthropic-ai/claude-code'
  const file = join(scope, isNative ? 'claude-code-linux-x64/claude' : 'claude-code/cli.js')
  if (!existsSync(file) && !install(place, [`${name}@${version}`])) return undefined
  return { name: 'Claude Code', version, command: isNative ? [file] : [process.execPath, file] }
}

function installCodex(directory: string, version: string): Cli | undefined {
  const place = join(directory, `codex-${version}`)
  const isSplit = Number(version.split('.')[1]) >= 100
  const name = isSplit
    ? `codex-bin@npm:@openai/codex@${version}-linux-x64`
    : `@openai/codex@${version}`
  const vendor = join(
    place,
    'node_modules',
    isSplit ? 'codex-bin' : '@openai/codex',
    'vendor/x86_64-unknown-linux-musl',
  )
  const places = ['bin/codex', 'codex/codex'].map((path) => join(vendor, path))
  const found = () => places.find((path) => existsSync(path))
  if (!found() && !install(place, [name])) return undefined
  const file = found()
  return file === undefined ? undefined : { name: 'Codex', version, command: [file] }
}

/** A home of its own for one client, with nothing of this machine's user in it. */
export function makeHome(cli: Cli, access: Access): string {
  const home = mkdtempSync(join(tmpdir(), 'acceptance-'))
  if (cli.name === 'Codex') {
    mkdirSync(join(home, '.codex'))
    writeFileSync(join(home, '.codex', 'config.toml'), codexConfig(access, home))
  } else {
    // What its first interactive start would ask.
    const lists = {
      allowedTools: [],
      history: [],
      enabledMcpjsonServers: [],
      disabledMcpjsonServers: [],
    }
    const accepted = { hasTrustDialogAccepted: true, hasCompletedProjectOnboarding: true }
    const project = { ...lists, ...accepted, mcpServers: {} }
    const answers = { hasCompletedOnboarding: true, theme: 'dark', projects: { [home]: project } }
    writeFileSync(join(home, '.claude.json'), JSON.stringify(answers))
  }
  return home
}

const codexConfig = ({ url, model, websocket }: Access, home: string) => `model_provider = "gateway"
model = "${model}"
approval_policy = "never"
sandbox_mode = "danger-full-access"

[model_providers.gateway]
name = "gateway"
base_url = "${url}/openai/v1"
wire_api = "responses"
env_key = "CRS_KEY"
${websocket ? 'supports_websockets = true' : ''}

[projects."${home}"]
trust_level = "trusted"
`

/** A clean environment: the gateway, its key, and no traffic to anywhere else. */
export const environmentOf = ({ url, key }: Access, home: string) => ({
  PATH: process.env.PATH,
  HOME: home,
  CODEX_HOME: join(home, '.codex'),
  ANTHROPIC_BASE_URL: `${url}/api`,
  ANTHROPIC_AUTH_TOKEN: key,
  CRS_KEY: key,
  CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
  DISABLE_TELEMETRY: '1',
  DISABLE_AUTOUPDATER: '1',
})

/** Asks one turn in the print mode of a client; ended after `limitSeconds`. */
export function runTurn(
  cli: Cli,
  access: Access,
  home: string,
  options: { prompt: string; isResumed?: boolean; limitSeconds: number },
): Promise<Turn> {
  const { prompt, isResumed = false, limitSeconds } = options
  const claude = ['-p', ...(isResumed ? ['--continue'] : []), prompt, '--model', access.model]
  const permitted = ['--allowedTools', 'Bash']
  const codex = [
    'exec',
    '--skip-git-repo-check',
    ...(isResumed ? ['resume', '--last'] : []),
    prompt,
  ]
  const args = cli.name === 'Codex' ? codex : [...claude, ...permitted]
  const [program = '', ...before] = cli.command
  const started = Date.now()
  return new Promise((resolve) => {
    const child = spawn(program, [...before, ...args], {
      cwd: home,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: environmentOf(access, home),
    })
    let output = ''
    child.stdout.on('data', (data) => {
      output += data
    })
    child.stderr.on('data', (data) => {
      output += data
    })
    const timer = setTimeout(() => child.kill('SIGKILL'), limitSeconds * 1000)
    child.on('close', (code) => {
      clearTimeout(timer)
      resolve({ code, seconds: (Date.now() - started) / 1000, output })
    })
  })
}
