/** A gateway that keeps streams alive after a moment, and a client whose place nobody else may take. */
import type { Clock } from '../../../src/clock.ts'
import { systemClock } from '../../../src/node/clock.ts'
import { createEmbeddedEngine } from '../../../src/node/engines/embedded/engine.ts'
import type { Engine } from '../../../src/store/redis.ts'
import { createTestAdmin, createTestGateway } from '../../support/gateway.ts'
import { after, type Behaviour, startUpstream } from '../../support/upstream.ts'

export const intervalMs = 20
export const comment = ': waiting for the upstream\n\n'

export type WaitingRoom = Awaited<ReturnType<typeof openWaitingRoom>>

/** Three accounts at one upstream, and a store that can be lost; by default in real time. */
export async function openWaitingRoom(clock: Clock = systemClock) {
  const upstream = await startUpstream()
  const store = createEmbeddedEngine({ path: ':memory:', now: clock.now })
  let isLost = false
  const engine: Engine = {
    ...store,
    request: async (request) => {
      if (isLost) throw new Error('lost')
      return store.request(request)
    },
  }
  const gateway = createTestGateway({ engine, clock })
  Object.assign(gateway.runtime.config, { STREAM_KEEPALIVE_SECONDS: intervalMs / 1000 })
  const admin = createTestAdmin(gateway)
  for (const name of ['a', 'b', 'c']) {
    await admin.createAccount({ apiUrl: upstream.url, name, apiKey: `sk-ant-${name}` })
  }
  // One place: whoever is not settled keeps it from everybody else.
  const { id, key } = await admin.createKey({ concurrencyLimit: 1 })
  return {
    upstream,
    gateway,
    loseStore: (lost: boolean) => {
      isLost = lost
    },
    send: async (fields: object = { stream: true }, signal?: AbortSignal) =>
      gateway.app.request('/v1/messages', {
        method: 'POST',
        headers: { 'x-api-key': key, 'content-type': 'application/json' },
        body: JSON.stringify({ ...message, ...fields }),
        ...(signal && { signal }),
      }),
    /** What the key has consumed, once everything is settled. */
    async total() {
      await gateway.deferred()
      return (await admin.call('GET', `/keys/${id}/stats`)).json.total
    },
    async close() {
      await gateway.close()
      await store.close()
      await upstream.close()
    },
  }
}

const message = { model: 'claude-sonnet-4-6', messages: [] }

/** What the upstream says to somebody who asks it without a gateway. */
export async function saidBy(behaviour: Behaviour): Promise<string> {
  const direct = await startUpstream()
  direct.respond(behaviour)
  const answer = await fetch(direct.url, { method: 'POST', body: JSON.stringify(message) })
  const text = await answer.text()
  await direct.close()
  return text
}

/** How often the client was told to wait, and what came then. */
export async function heard(response: Response): Promise<{ comments: number; text: string }> {
  const text = await response.text()
  const rest = text.replace(leadingComments, '')
  return { comments: (text.length - rest.length) / comment.length, text: rest }
}

const leadingComments = new RegExp(`^(${comment})+`)

/** Reads the next piece of a body, until there is none. */
export function piecesOf({ body }: Response) {
  const reader = body?.getReader()
  return {
    async next(): Promise<string | undefined> {
      const { value } = (await reader?.read()) ?? {}
      return value && Buffer.from(value).toString()
    },
    leave: async () => reader?.cancel(),
  }
}

/** A behaviour that waits until it is told to begin. */
export function onCall(behaviour: Behaviour) {
  let begin = () => {}
  const called = new Promise<void>((resolve) => {
    begin = resolve
  })
  const waiting: Behaviour = async (exchange) => {
    await called
    await behaviour(exchange)
  }
  return { behaviour: waiting, begin: () => begin() }
}

/** Behaves so after the client was told to wait. */
export const late = (behaviour: Behaviour) => after(3 * intervalMs, behaviour)
