/** Drives a client in its interactive mode: in a pseudo terminal that answers what programs ask of one. */
import { spawn } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { stripVTControlCharacters } from 'node:util'
import { type Access, type Cli, environmentOf, type Turn } from './clis.ts'

/** What programs ask of a terminal, and what a plain one answers (xterm, "Control Sequences"). */
const questions: [asked: string, answer: string][] = [
  ['\x1b[6n', '\x1b[1;1R'],
  ['\x1b[c', '\x1b[?1;2c'],
  ['\x1b[0c', '\x1b[?1;2c'],
  ['\x1b[?u', '\x1b[?0u'],
  ['\x1b]10;?', '\x1b]10;rgb:ffff/ffff/ffff\x1b\\'],
  ['\x1b]11;?', '\x1b]11;rgb:0000/0000/0000\x1b\\'],
]
/** How long a client takes to be ready for input, and between its text and the key that sends it. */
const readyMs = 6_000
const betweenMs = 800
const interrupt = '\x03'

/** Types a prompt and waits until `expected` is on the screen; `code` is 0 when it was. */
export async function runInteractive(
  cli: Cli,
  access: Access,
  home: string,
  options: { prompt: string; expected: string; limitSeconds: number },
): Promise<Turn> {
  const { prompt, expected, limitSeconds } = options
  const model = cli.name === 'Codex' ? [] : ['--model', access.model]
  const command = [...cli.command, ...model].map((word) => `'${word}'`).join(' ')
  const started = Date.now()
  const child = spawn('script', ['-qec', `stty rows 40 cols 120; exec ${command}`, '/dev/null'], {
    cwd: home,
    env: { ...environmentOf(access, home), TERM: 'xterm-256color' },
  })
  let screen = ''
  child.stdout.on('data', (data: Buffer) => {
    const text = data.toString('latin1')
    screen += text
    for (const [asked, answer] of questions) if (text.includes(asked)) child.stdin.write(answer)
  })
  child.stdin.on('error', () => {})
  await delay(readyMs)
  child.stdin.write(prompt)
  await delay(betweenMs)
  child.stdin.write('\r')
  const isShown = () => shown(screen).includes(withoutBlanks(expected))
  while (!isShown() && child.exitCode === null && Date.now() - started < limitSeconds * 1000) {
    await delay(200)
  }
  const seconds = (Date.now() - started - readyMs - betweenMs) / 1000
  const isAnswered = isShown()
  for (let i = 0; i < 2; i++) {
    child.stdin.write(interrupt)
    await delay(betweenMs)
  }
  child.kill('SIGKILL')
  const last = withoutBlanks(plain(screen)).slice(-200)
  return { code: isAnswered ? 0 : 1, seconds, output: isAnswered ? expected : last }
}

/** A client may put any number of blanks and moves of the cursor between two words. */
const withoutBlanks = (text: string) => text.replace(/\s+/g, '')
const shown = (screen: string) => withoutBlanks(plain(screen))

/** The text of a screen without control sequences. */
const plain = (screen: string) => stripVTControlCharacters(screen).replace(/[^\x20-\x7e\n]+/g, ' ')
