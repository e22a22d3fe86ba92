/** The TCP engine: raw commands to Redis or Valkey, each sent at most once. */
import { Command, Redis } from 'ioredis'
import type { Clock } from '../../clock.ts'
import type { Engine } from '../../store/redis.ts'
import { systemClock } from '../clock.ts'
import { decodeRequest, type Entry, encodeAnswer } from './request.ts'

export interface TcpOptions {
  /** redis:// or, with TLS, rediss:// */
  url: string
  /** How long a request may take, waiting for a connection included. */
  timeoutMs: number
  /** Measures that time; by default the clock of the host. */
  clock?: Clock
}

const FIRST_RETRY_MS = 50
const LAST_RETRY_MS = 1_000

/** Redis repeats the arguments of an unknown command; they may contain secrets. */
function withoutArguments({ message }: Error): string {
  const cut = message.indexOf(', with args beginning with:')
  return cut === -1 ? message : message.slice(0, cut)
}

/** The client's protocol has no errors inside a reply: their text takes their place. */
function toValue(reply: unknown): unknown {
  if (Array.isArray(reply)) return reply.map(toValue)
  return reply instanceof Error ? withoutArguments(reply) : reply
}

const toEntry = (reply: unknown): Entry =>
  reply instanceof Error ? { error: withoutArguments(reply) } : { result: toValue(reply) }

/** The address for error texts: never the user or the password. */
function addressOf(url: string): string {
  try {
    const { protocol, hostname, port } = new URL(url)
    if (protocol === 'redis:' || protocol === 'rediss:') return `${hostname}:${port || 6379}`
  } catch {
    // Answered below: the text of the parser's own error would repeat the URL.
  }
  throw new Error('REDIS_URL: expected redis://host:port or rediss://host:port')
}

function createClient({ url, timeoutMs }: TcpOptions): Redis {
  return new Redis(url, {
    lazyConnect: true,
    protocol: 2,
    disableClientInfo: true,
    connectTimeout: timeoutMs,
    // A server that stops answering keeps its socket open; the client must open another.
    socketTimeout: timeoutMs,
    retryStrategy: (attempt) => Math.min(FIRST_RETRY_MS * attempt, LAST_RETRY_MS),
    // A command that got no answer may have been executed: only its caller can decide to repeat it.
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    enableOfflineQueue: false,
  })
}

/** The entries of a transaction, from the answers to MULTI, to its commands and to EXEC. */
function transactionEntries(replies: unknown[]): Entry[] {
  const outcome = replies.at(-1)
  if (Array.isArray(outcome)) return outcome.map(toEntry)
  const refusal = outcome instanceof Error ? outcome : new Error('EXECABORT Transaction discarded.')
  return replies.slice(1, -1).map((reply) => toEntry(reply instanceof Error ? reply : refusal))
}

/** Connects on first use; `connect()` does so at once and says why it cannot. */
export function createTcpEngine(options: TcpOptions): Engine & { connect(): Promise<void> } {
  const { timeoutMs, clock = systemClock } = options
  const address = addressOf(options.url)
  const client = createClient(options)
  const waiting = new Set<(error?: Error) => void>()
  let closed = false
  let lastError: unknown

  function unavailable(what: string): Error {
    const reason = lastError instanceof Error ? `: ${lastError.message}` : ''
    return new Error(`REDIS_URL: ${what} ${address}${reason}`)
  }

  function release(error?: Error): void {
    for (const finish of [...waiting]) finish(error)
  }

  // Without a listener the client would print errors; requests report the latest one.
  client.on('error', (error: unknown) => {
    lastError = error
  })
  client.on('ready', () => {
    lastError = undefined
    release()
  })
  client.on('end', () => release(unavailable('cannot connect to')))

  /** Waits for the connection, in our own queue: a command that has timed out is never sent. */
  function connected(): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = clock.setTimer(() => finish(unavailable('cannot connect to')), timeoutMs)
      const finish = (error?: Error) => {
        timer.clear()
        waiting.delete(finish)
        if (error === undefined) resolve()
        else reject(error)
      }
      waiting.add(finish)
      if (client.status === 'wait' || client.status === 'end') {
        client.connect().catch(() => undefined)
      }
    })
  }

  /** Sends one command; an error reply is a value here, a lost connection an exception. */
  async function send(words: string[]): Promise<unknown> {
    const [name = '', ...args] = words
    try {
      // The client reshapes some replies, such as HGETALL's, for names in lower case only.
      const command = new Command(name.toUpperCase(), args, { replyEncoding: 'utf8' })
      return await client.sendCommand(command)
    } catch (error) {
      if (error instanceof Error && error.name === 'ReplyError') return error
      // The client's own error object carries the arguments of the command.
      throw unavailable('lost the connection to')
    }
  }

  let isCorked = false

  /** What is sent within one turn of the event loop goes out in one write. */
  function cork(): void {
    const { stream } = client
    if (isCorked || !stream) return
    isCorked = true
    stream.cork()
    setImmediate(() => {
      isCorked = false
      stream.uncork()
    })
  }

  /** Rejects when `answer` takes longer; what comes later is dropped, and the connection goes on. */
  function within<Answer>(remainingMs: number, answer: Promise<Answer>): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const timeOut = () => reject(unavailable(`no answer within ${timeoutMs} ms from`))
      const timer = clock.setTimer(timeOut, remainingMs)
      answer.then(
        (replies) => {
          timer.clear()
          resolve(replies)
        },
        (error: unknown) => {
          timer.clear()
          reject(error)
        },
      )
    })
  }

  /** Lets `write` send commands in one turn, so that nothing of another caller comes between them. */
  async function exchange<Answer>(write: () => Promise<Answer>): Promise<Answer> {
    if (closed) throw new Error(`REDIS_URL: the connection to ${address} has been closed`)
    let remainingMs = timeoutMs
    if (client.status !== 'ready') {
      const startedMs = clock.monotonicMs()
      await connected()
      remainingMs -= clock.monotonicMs() - startedMs
    }
    cork()
    return within(remainingMs, write())
  }

  const sendAll = (commands: string[][]) => exchange(() => Promise.all(commands.map(send)))

  /** The client goes on with database 0 when it cannot select the one of the URL, and does not say so. */
  async function selectDatabase(): Promise<void> {
    const { db = 0 } = client.options
    if (Number(db) === 0) return
    const reply = await exchange(() => send(['SELECT', String(db)]))
    if (!(reply instanceof Error)) return
    throw new Error(`REDIS_URL: database ${db} cannot be selected: ${withoutArguments(reply)}`)
  }

  return {
    readYourWrites: false,
    async request<T>(request: Parameters<Engine['request']>[0]) {
      const batch = decodeRequest(request)
      if (batch.kind === 'multi') {
        const replies = await sendAll([['MULTI'], ...batch.commands, ['EXEC']])
        return encodeAnswer<{ result?: T }>(transactionEntries(replies))
      }
      if (batch.kind === 'pipeline') {
        const replies = await sendAll(batch.commands)
        return encodeAnswer<{ result?: T }>(replies.map(toEntry))
      }
      const reply = await exchange(() => send(batch.command))
      return encodeAnswer<{ result?: T }>(toEntry(reply))
    },
    async connect() {
      try {
        if (client.status !== 'ready') await connected()
        await selectDatabase()
      } catch (error) {
        // Otherwise the attempts would go on, and keep a process alive that is about to end.
        client.disconnect()
        throw error
      }
    },
    async close() {
      closed = true
      client.disconnect()
    },
  }
}
