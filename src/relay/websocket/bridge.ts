/** Bridge: passes messages between a client's socket and one of an account, and meters each response. */
import { splice } from '../../bytes.ts'
import { sleep } from '../../clock.ts'
import { runInStretches } from '../../dialects/json-scan.ts'
import { errorEvent } from '../../domain/events.ts'
import { asGatewayError, GatewayError } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import type { HttpRequest } from '../../http-message.ts'
import { parseJson } from '../../json.ts'
import type { MessageSocket } from '../../message-socket.ts'
import { acquireAccount } from '../acquire-account.ts'
import { hideInText } from '../attempt/hide-credential.ts'
import type { Principal } from '../authenticate.ts'
import type { ClientRequest } from '../request/client-request.ts'
import type { Hints } from '../request/hints.ts'
import { newId } from '../request/request-id.ts'
import { readConversation } from '../request/session.ts'
import type { RelayRoute } from '../routes.ts'
import type { PlannedAccount } from '../scheduling/candidates.ts'
import { settleVoid } from '../settlement/settle.ts'
import { startTrace } from '../settlement/trace.ts'
import { type Frame, readFrame } from './frame.ts'
import { type Lane, startLane } from './lane.ts'

export interface BridgeOptions {
  route: RelayRoute
  principal: Principal
  /** The one account of this socket. */
  planned: PlannedAccount
  /** How the client opened it. */
  request: HttpRequest
  client: MessageSocket
  upstream: MessageSocket
}

/** Messages of a client that wait at most, for an account or for the response before them. */
const maxWaiting = 64
/** A peer that takes so much less than it is sent is closed. */
const maxPendingBytes = 16 * 1024 * 1024

/** Bridges until one side closes. @returns ends it in order, because the host stops. */
export function bridge(gateway: Gateway, options: BridgeOptions): () => void {
  const { runtime } = gateway
  const { client, upstream, planned, route } = options
  const { socketResponseLimit = Number.POSITIVE_INFINITY, config } = runtime
  const gone = new AbortController()
  const lanes = new Map<string, Lane>()
  const queues = new Map<string, Promise<void>>()
  let waiting = 0
  let waitingCharacters = 0
  let responses = 0
  let isOver = false

  const tell = (error: GatewayError, lane: string) => {
    const fields = route.dialect.socketError?.(error, runtime.now()) ?? {}
    client.send(JSON.stringify({ ...fields, ...(lane && { stream_id: lane }) }))
  }
  const close = (how: 'client_aborted' | 'upstream_truncated', code: number, reason: string) => {
    if (isOver) return
    isOver = true
    gone.abort()
    for (const lane of lanes.values()) lane.end(how)
    lanes.clear()
    client.close(code, reason)
    upstream.close(1000, 'The client has gone')
  }

  const sendUpstream = (text: string) => {
    upstream.send(text)
    // A client that sends too much is no fault of the account.
    if (upstream.pendingBytes() > maxPendingBytes)
      close('client_aborted', 1008, 'Messages are not taken')
  }

  /** The upstream has closed the socket, or is silent: what it says later is no answer any more. */
  const breakOff = () => {
    if (isOver) return
    const isRunning = lanes.size > 0
    for (const name of lanes.keys()) tell(brokenOff, name)
    close('upstream_truncated', isRunning ? 1011 : 1000, 'The upstream closed the socket')
  }

  const create = async (frame: Frame, hints: Hints) => {
    // Most messages of a lane name no response, so one runs after the other.
    await lanes.get(frame.lane)?.ended
    if (isOver) return
    if (responses >= socketResponseLimit) {
      tell(limitReached, frame.lane)
      return close('client_aborted', 1000, limitReached.message)
    }
    const { lane, text } = await admitted(
      gateway,
      options,
      { frame, hints, onSilent: breakOff },
      gone.signal,
    )
    responses++
    if (isOver) return lane.drop()
    lanes.set(frame.lane, lane)
    sendUpstream(text)
  }

  const refuse = (thrown: unknown, lane: string) => {
    if (isOver) return
    const error = asGatewayError(thrown)
    const keyId = options.principal.snapshot.apiKey?.record.id
    runtime.observe(
      errorEvent(error, { requestId: newId(runtime.now()), route: route.path, keyId }),
    )
    tell(error, lane)
  }

  /** Reads one message, and lets it wait on its lane if it asks for a response. */
  const take = async (text: string, done: () => void) => {
    const pause = () => sleep(runtime, 0, gone.signal)
    const frame = await readFrame(text, config.BODY_LIMIT_BYTES, route.dialect, pause)
    const { lane, hints } = frame
    if (!hints) {
      if (!isOver) sendUpstream(text)
      return done()
    }
    const before = queues.get(lane) ?? Promise.resolve()
    const next = before
      .then(() => create(frame, hints))
      .catch((error: unknown) => refuse(error, lane))
      .finally(() => {
        done()
        if (queues.get(lane) === next) queues.delete(lane)
      })
    queues.set(lane, next)
  }

  let reading = Promise.resolve()
  client.listen({
    message(text) {
      if (isOver) return
      // They are in memory already, so all that wait may take together what one may.
      const isTooMuch = waitingCharacters + text.length > config.BODY_LIMIT_BYTES
      if (waiting >= maxWaiting || (waiting > 0 && isTooMuch)) {
        return close('client_aborted', 1008, 'Too many messages wait')
      }
      waiting++
      waitingCharacters += text.length
      reading = reading.then(async () => {
        const kept = await gateway.bodyMemory.keep(text.length, gone.signal)
        const done = () => {
          waiting--
          waitingCharacters -= text.length
          kept?.release()
        }
        try {
          if (!kept) throw tooBusy
          await take(text, done)
        } catch (error) {
          done()
          refuse(error, '')
        }
      })
    },
    closed: () => close('client_aborted', 1000, 'The client has gone'),
  })

  const { credential } = gateway.openSecrets(planned.account)
  upstream.listen({
    message(text) {
      if (isOver) return
      for (const each of lanes.values()) each.heard()
      const name = laneOf(text, lanes)
      const lane = name === undefined ? undefined : lanes.get(name)
      client.send(isAnswer.test(text) ? text : hideInText(text, credential))
      if (lane?.read(text) && name !== undefined) lanes.delete(name)
      if (client.pendingBytes() > maxPendingBytes)
        close('client_aborted', 1008, 'Messages are not taken')
    },
    closed: breakOff,
  })

  return () => {
    if (isOver) return
    for (const name of lanes.keys()) tell(stopping, name)
    close('client_aborted', 1012, stopping.message)
  }
}

/** Of these no upstream quotes the request: most messages are not searched for a credential. */
const isAnswer = /^\{"type":"response\.(?!failed")/

const tooBusy = new GatewayError('gateway_busy', 'The gateway has too many messages in memory')
const limitReached = new GatewayError(
  'socket_limit',
  'This socket has served as many responses as it may; open another',
)
const brokenOff = new GatewayError('upstream_failed', 'The upstream broke off its answer')
const stopping = new GatewayError('stopping', 'The gateway is stopping; connect again')

/** To which response a message belongs: the one that runs, or else the one that it names. */
function laneOf(text: string, lanes: ReadonlyMap<string, Lane>): string | undefined {
  const [first] = lanes.keys()
  if (lanes.size <= 1) return first
  const { stream_id: name } = Object(parseJson(text))
  return typeof name === 'string' ? name : undefined
}

/**
 * Admits one response, with every limit of the key, to the account of the socket.
 * @returns what to send upstream for it, with the name that the account has for its model.
 * @throws GatewayError the refusal.
 */
async function admitted(
  gateway: Gateway,
  { route, principal, planned, request }: BridgeOptions,
  { frame, hints, onSilent }: { frame: Frame; hints: Hints; onSilent: () => void },
  signal: AbortSignal,
): Promise<{ lane: Lane; text: string }> {
  const { runtime } = gateway
  const nowMs = runtime.now()
  const requestId = newId(nowMs)
  const { headers } = request
  const { bytes, isPrewarm } = frame
  const pause = () => sleep(runtime, 0, signal)
  const conversation = await runInStretches(readConversation(headers, hints, bytes), pause)
  const client: ClientRequest = {
    requestId,
    headers,
    search: '',
    body: bytes,
    hints,
    conversation,
    signal,
  }
  const trace = startTrace(requestId, true, { atMs: nowMs, monotonicMs: runtime.monotonicMs() })
  const onlyAccountId = planned.account.id
  const { snapshot } = principal
  // What was read for the opening is old by now: it refuses nothing.
  const known = { snapshot: gateway.catalog.peek(snapshot.digest) ?? snapshot, isFresh: false }
  const asked = { route, client, principal: known, trace, onlyAccountId }
  const admission = await acquireAccount(gateway, asked)
  const [served] = admission.plan.candidates
  if (!served) {
    settleVoid(gateway, admission.plan)
    throw new GatewayError('no_account', 'The account of this socket is not available any more')
  }
  const usage = route.dialect.createUsageReader(bytes.length, hints.maxTokens)
  const lane = startLane(gateway, { admission, planned: served, usage, isPrewarm, onSilent })
  return { lane, text: named(frame, hints, served.upstreamModel) }
}

/** The message with the account's name of the model, and every other character kept. */
function named({ text, bytes }: Frame, hints: Hints, model: string): string {
  if (model === hints.model) return text
  const name = new TextEncoder().encode(JSON.stringify(model))
  return new TextDecoder().decode(splice(bytes, hints.modelStart, hints.modelEnd, name))
}
