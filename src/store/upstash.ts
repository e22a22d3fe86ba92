/** The Upstash engine: raw commands over Upstash's REST protocol, each sent at most once. */
import { errors, Redis } from '@upstash/redis'
import type { Timers } from '../clock.ts'
import { ConfigError } from '../config.ts'
import type { Engine } from './redis.ts'
import { findKeyLocking, findKeyLockingByText } from './script.ts'

export interface UpstashOptions {
  url: string
  token: string
  /** How long a request may take, its answer included. */
  timeoutMs: number
  clock: Timers
}

type Request = Parameters<Engine['request']>[0]
type Requester = Pick<Engine, 'request'>
type Entry = { result: unknown } | { error: string }

const DISCARDED = 'EXECABORT Transaction discarded because of previous errors.'

/** The library's own HTTP client, which it hands to its subclasses only. */
class Access extends Redis {
  get requester(): Requester {
    return this.client
  }
}

function createRequester({ url, token }: UpstashOptions): Requester {
  if (!/^(?! )[\x20-\x7e]+(?<! )$/.test(token)) {
    throw new ConfigError('UPSTASH_REDIS_REST_TOKEN: expected ASCII without blanks around it')
  }
  try {
    return new Access({
      url,
      token,
      // JSON carries every Unicode string as it is; decoding base64 would drop a leading U+FEFF and
      // misread an OK inside of an array.
      responseEncoding: false,
      readYourWrites: false,
      enableTelemetry: false,
      enableAutoPipelining: false,
      // A command that got no answer may have been executed: only its caller can decide to repeat it.
      retry: { retries: 0 },
    }).requester
  } catch {
    // The library's own error repeats the URL.
    throw new ConfigError('UPSTASH_REDIS_REST_URL: expected https://name.upstash.io')
  }
}

const fault = (what: string) => new Error(`UPSTASH_REDIS_REST_URL: ${what}`)

/** Gives a script that names all of its keys the form that Upstash runs without a global lock. */
function withKeyLocking(command: unknown): unknown {
  if (!Array.isArray(command)) return command
  const [name, script, ...rest] = command as unknown[]
  if (typeof name !== 'string' || typeof script !== 'string') return command
  switch (name.toUpperCase()) {
    case 'EVAL':
      return [name, findKeyLockingByText(script)?.lua ?? script, ...rest]
    case 'EVALSHA':
      return [name, findKeyLocking(script)?.sha ?? script, ...rest]
    default:
      return command
  }
}

/** Redis repeats the arguments of an unknown command; they may hold secrets. */
const withoutArguments = (text: string) => text.split(', with args beginning with:', 1).join()

/** Every error of Redis opens with a code in capitals; a proxy's or a platform's does not. */
const redisError = /^[A-Z][A-Z0-9_]*( |$)/

/** Replies by which Upstash refuses the account's next command, whatever it is. */
const exhausted = /^ERR (max daily request limit|max requests limit|DB capacity quota) exceeded/

/** The text of an error reply. @throws Error if it is not a command that is refused, but service. */
function readError(text: string): string {
  if (/^(WRONGPASS|NOAUTH|unauthorized)\b/i.test(text)) {
    throw new Error('UPSTASH_REDIS_REST_TOKEN is refused by the store')
  }
  const [limit] = exhausted.exec(text) ?? []
  if (limit) throw fault(`the store refuses commands: ${limit}`)
  if (!redisError.test(text)) throw fault('the store answered with an error that is not of Redis')
  return withoutArguments(text)
}

/** The error that the store answered with. @throws Error, without secrets, if it gave no answer. */
function readThrown(error: unknown, body: unknown): { error: string } {
  if (error instanceof errors.UpstashJSONParseError) throw fault('the answer is not JSON')
  if (error instanceof errors.UpstashError) {
    const quotation = `, command was: ${JSON.stringify(body)}`
    const { message } = error
    const isQuoted = message.endsWith(quotation)
    return { error: isQuoted ? message.slice(0, -quotation.length) : '' }
  }
  const { cause } = error instanceof Error ? error : new Error()
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  throw fault(/^[A-Z_]+$/.test(code) ? `cannot be reached: ${code}` : 'cannot be reached')
}

function readEntry(entry: unknown): Entry {
  if (typeof entry === 'object' && entry !== null) {
    if ('error' in entry && typeof entry.error === 'string') {
      return { error: withoutArguments(entry.error) }
    }
    if ('result' in entry) return { result: entry.result }
  }
  throw fault('the answer is not of the REST protocol')
}

function readAnswer(answer: unknown): Entry {
  const entry = readEntry(answer)
  return 'error' in entry ? { error: readError(entry.error) } : entry
}

function readAnswers(answers: unknown, count: number): Entry[] {
  if (!Array.isArray(answers) || answers.length !== count) {
    throw fault('the answer is not of the REST protocol')
  }
  return answers.map(readEntry)
}

/** Upstash answers for a discarded transaction as a whole; its error names the command at fault. */
function discarded(commands: unknown[], error: string): Entry[] {
  const quoted = error.toLowerCase()
  const culprit = commands.findIndex(
    (command) => Array.isArray(command) && quoted.includes(`'${command[0]}'`.toLowerCase()),
  )
  return commands.map((_, index) => ({
    error: culprit === -1 || culprit === index ? error : DISCARDED,
  }))
}

/**
 * Executes the commands of the typed client on Upstash, or on the bridge in front of another store.
 * @throws ConfigError that names the setting which cannot work.
 */
export function createUpstashEngine(options: UpstashOptions): Engine {
  const { timeoutMs, clock } = options
  const requester = createRequester(options)
  let closed = false

  /** Sends `body` as it is and answers with what came back, error replies included. */
  async function exchange(request: Request): Promise<unknown> {
    if (closed) throw fault('the engine has been closed')
    const late = new AbortController()
    // In workerd a timer belongs to the request that sets it: each exchange has its own.
    const timer = clock.setTimer(() => late.abort(), timeoutMs)
    const answer = await requester
      .request({ ...request, signal: late.signal })
      .catch((error: unknown) => late.signal.aborted || readThrown(error, request.body))
      .finally(() => timer.clear())
    // The library answers for a request that was aborted as if it had succeeded.
    if (late.signal.aborted) throw fault(`no answer within ${timeoutMs} ms`)
    return answer
  }

  async function single(body: unknown): Promise<Entry> {
    return readAnswer(await exchange({ body: withKeyLocking(body) }))
  }

  async function batch(path: string, commands: unknown[]): Promise<Entry[]> {
    if (commands.length === 0) return []
    const body = commands.map(withKeyLocking)
    const answer = await exchange({ path: [path], body })
    if (Array.isArray(answer)) return readAnswers(answer, commands.length)
    const entry = readAnswer(answer)
    if (!('error' in entry)) throw fault('the answer is not of the REST protocol')
    return discarded(commands, entry.error)
  }

  return {
    readYourWrites: false,
    async request<T>({ path, body }: Request) {
      const [kind] = path ?? []
      if (kind === undefined) return (await single(body)) as { result?: T }
      if (!Array.isArray(body)) throw new Error('A pipeline must be an array of commands')
      return (await batch(kind, body)) as { result?: T }
    },
    async close() {
      closed = true
    },
  }
}
