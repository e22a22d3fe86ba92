/** Entry of `npm run demo`: one message through a gateway, from the account to the bill. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import Anthropic from '@anthropic-ai/sdk'
import { generatePassword } from '../crypto.ts'
import { unlessAborted } from '../unless-aborted.ts'
import { startInWorkerd, startOnNode } from './demo/hosts.ts'
import { startSampleUpstream } from './demo/sample-upstream.ts'
import { root, withTemporaryDirectory } from './worker/wrangler.ts'

const model = 'claude-sonnet-4-6'
const question = 'What are you?'

/** The whole demo takes a few seconds; one that takes this long will not end. */
const watchdogMs = 60_000
const closingMs = 5_000
const settlementMs = 10_000
const columns = 88

interface KeyStats {
  total: {
    requests: number
    inputTokens: number
    cacheReadTokens: number
    outputTokens: number
    costUsd: number
  }
}

type Call = <T>(method: string, path: string, body?: object) => Promise<T>

const print = (text: string) => process.stdout.write(text)

let steps = 0
/** Prints what has just happened, or is about to. */
const step = (text: string) => print(`${++steps}. ${text}\n`)

/** Calls the administration of the gateway at `url`. @throws Error that quotes a refusal. */
function createAdmin(url: string, signal: AbortSignal, token = ''): Call {
  return async (method, path, body) => {
    const response = await fetch(`${url}/api/v2${path}`, {
      method,
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: body ? JSON.stringify(body) : null,
      signal,
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text}`)
    return JSON.parse(text)
  }
}

async function logIn(url: string, password: string, signal: AbortSignal): Promise<Call> {
  const login = createAdmin(url, signal)
  const credentials = { username: 'admin', password }
  const { token } = await login<{ token: string }>('POST', '/auth/admin/login', credentials)
  return createAdmin(url, signal, token)
}

/** Prints a text as it comes, and breaks its lines between words. */
function createParagraph(indent: string): (text: string) => void {
  let column = columns
  return (text) => {
    for (const word of text.match(/\S+/g) ?? []) {
      const fits = column + 1 + word.length <= columns
      print(fits ? ` ${word}` : `\n${indent}${word}`)
      column = fits ? column + 1 + word.length : indent.length + word.length
    }
  }
}

/** Streams one message as a member of the team does. */
async function ask(url: string, apiKey: string, signal: AbortSignal): Promise<void> {
  // Undefined would let the SDK take a token from the environment.
  const client = new Anthropic({ baseURL: `${url}/api`, apiKey, authToken: null, maxRetries: 0 })
  const messages = [{ role: 'user' as const, content: question }]
  const stream = client.messages.stream({ model, max_tokens: 1_024, messages }, { signal })
  stream.on('text', createParagraph('     '))
  await stream.finalMessage()
  print('\n\n')
}

async function untilSettled(admin: Call, keyId: string): Promise<KeyStats['total']> {
  const deadline = Date.now() + settlementMs
  while (Date.now() < deadline) {
    const { total } = await admin<KeyStats>('GET', `/keys/${keyId}/stats`)
    if (total.requests > 0) return total
    await delay(20)
  }
  throw new Error('The request was not settled')
}

function describeBill(total: KeyStats['total']): string {
  const { requests, inputTokens, cacheReadTokens, outputTokens, costUsd } = total
  const tokens = `${inputTokens} input + ${cacheReadTokens} cached + ${outputTokens} output tokens`
  return `${requests} request, ${tokens} = $${costUsd.toFixed(6)}`
}

/** Plays the story, and stops everything that it has started, also when `signal` is aborted. */
async function play(isWorker: boolean, directory: string, signal: AbortSignal): Promise<void> {
  const upstream = await startSampleUpstream()
  try {
    step(`A sample upstream runs on ${upstream.url}: it speaks Anthropic Messages, costs nothing.`)
    if (isWorker) step('The Worker is bundled as for a deployment, which takes a moment.')
    const password = generatePassword()
    const gateway = await (isWorker ? startInWorkerd : startOnNode)(directory, password, signal)
    try {
      const where = isWorker ? 'in workerd' : 'on Node'
      step(`The gateway runs ${where} on ${gateway.url}, over an empty store of its own.`)
      const admin = await logIn(gateway.url, password, signal)
      const { apiKey, url: apiUrl } = upstream
      await admin('POST', '/accounts/claude-console', { name: 'sample', apiUrl, apiKey })
      step('An admin logs in and adds the upstream as account "sample"; its key is kept sealed.')
      const key = await admin<{ id: string; key: string }>('POST', '/keys', { name: 'demo' })
      step(`The admin creates a gateway key for the team: ${key.key.slice(0, 7)}…`)
      step(`A member asks ${model} through @anthropic-ai/sdk: "${question}"`)
      await ask(gateway.url, key.key, signal)
      step(`The usage ledger has it: ${describeBill(await untilSettled(admin, key.id))}`)
    } finally {
      await gateway.close()
    }
  } finally {
    await upstream.close()
  }
}

async function demo(isWorker: boolean): Promise<void> {
  const stopped = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => stopped.abort(new Error('Stopped')))
  }
  const tooLong = new Error(`The demo did not end within ${watchdogMs / 1000} seconds`)
  setTimeout(() => stopped.abort(tooLong), watchdogMs).unref()
  const { signal } = stopped
  await withTemporaryDirectory(async (directory) => {
    // An empty file, in place of a .dev.vars that may name a real store.
    writeFileSync(join(directory, '.dev.vars'), '')
    process.chdir(directory)
    const playing = play(isWorker, directory, signal)
    try {
      await unlessAborted(playing, signal)
    } finally {
      // Time to stop what was started, when the signal was aborted.
      await Promise.race([playing.catch(() => {}), delay(closingMs)])
      process.chdir(root)
    }
  })
}

try {
  await demo(process.argv.includes('--worker'))
  step('Everything is stopped and removed again. Start your own gateway: npm start')
  process.exit(0)
} catch (error) {
  process.stderr.write(`\n${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(1)
}
