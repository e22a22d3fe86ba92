/** Serves a WebSocket of Responses: opens one to an account first, and only then accepts the client's. */
import { upstreamHeaders } from '../../dialects/headers.ts'
import { runAtOnce } from '../../dialects/json-scan.ts'
import { GatewayError } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import type { HttpRequest, RelayAnswer } from '../../http-message.ts'
import type { AcceptSocket, MessageSocket } from '../../message-socket.ts'
import { prepareRequest } from '../../platforms/prepare-request.ts'
import { authenticate } from '../authenticate.ts'
import { permittedUse } from '../permitted-use.ts'
import type { RequestPlace } from '../pipeline.ts'
import { noReferences } from '../request/references.ts'
import { readConversation } from '../request/session.ts'
import type { RelayRoute } from '../routes.ts'
import type { PlannedAccount } from '../scheduling/candidates.ts'
import { planUnmetered } from '../unmetered/plan.ts'
import { bridge } from './bridge.ts'

/** Different accounts that are asked to open one. */
const maxAccounts = 3
const noBody = new Uint8Array()
const noHints = { model: '', modelStart: 0, modelEnd: 0, stream: true, maxTokens: undefined }

/**
 * Bridges the client's socket to one of an account, for as long as both last.
 * @throws GatewayError the refusal of the key; `upgrade_required` where there is no bridge: Codex then
 * uses HTTP at once. That no account opened a socket is no fault of the accounts.
 */
export async function serveSocket(
  gateway: Gateway,
  route: RelayRoute,
  request: HttpRequest,
  { onKey, onStopping, acceptSocket }: RequestPlace,
): Promise<RelayAnswer> {
  const { runtime } = gateway
  const { headers, signal } = request
  const isAsked = headers.get('upgrade')?.toLowerCase() === 'websocket'
  const { openSocket, config } = runtime
  if (!isAsked || !acceptSocket || !openSocket || !config.RESPONSES_WEBSOCKET) {
    throw upgradeRequired('Send a POST request; this gateway bridges no WebSocket here')
  }
  const principal = await authenticate(gateway.catalog, headers, ({ apiKey }) => {
    if (apiKey) onKey(apiKey.record.id)
    const asking = { apiKey: apiKey?.record, headers, nowMs: runtime.now() }
    permittedUse(asking, gateway.platforms.inPool(route.poolId))
  })
  const hints = { ...noHints, references: noReferences, span: () => undefined }
  const { sessionKey } = runAtOnce(readConversation(headers, hints, noBody))
  const target = { route, headers, model: undefined, affinityDigest: undefined, sessionKey }
  const { accounts } = await planUnmetered(gateway, target, principal)
  const opened = await openFirst(gateway, accounts.slice(0, maxAccounts), route, request)
  if (!opened) throw upgradeRequired('No upstream account opened a WebSocket; send a POST request')
  if (signal.aborted) {
    opened.socket.close(1001, 'The client has gone')
    throw new GatewayError('client_closed', 'The client closed the connection')
  }
  const { planned, socket: upstream } = opened
  const { answer, socket: client } = acceptedBeside(upstream, acceptSocket)
  const stop = bridge(gateway, { route, principal, planned, request, client, upstream })
  onStopping?.(stop)
  return answer
}

/** Accepts the client's socket. @throws what that throws; the upstream's is then closed. */
function acceptedBeside(upstream: MessageSocket, acceptSocket: AcceptSocket) {
  try {
    return acceptSocket()
  } catch (error) {
    upstream.close(1000, 'The client has gone')
    throw error
  }
}

const upgradeRequired = (message: string) => new GatewayError('upgrade_required', message)

/** The socket of the first account that opens one; undefined when none does. */
async function openFirst(
  gateway: Gateway,
  accounts: PlannedAccount[],
  route: RelayRoute,
  request: HttpRequest,
): Promise<{ planned: PlannedAccount; socket: MessageSocket } | undefined> {
  for (const planned of accounts) {
    try {
      return { planned, socket: await open(gateway, planned, route, request) }
    } catch {
      if (request.signal.aborted) return undefined
    }
  }
  return undefined
}

async function open(
  gateway: Gateway,
  { account, platform }: PlannedAccount,
  route: RelayRoute,
  { headers, url, signal }: HttpRequest,
): Promise<MessageSocket> {
  const { runtime, openSecrets } = gateway
  const { openSocket } = runtime
  if (!openSocket) throw new Error('This host opens no sockets')
  const late = new AbortController()
  const abort = () => late.abort()
  signal.addEventListener('abort', abort, { once: true })
  const timeoutMs = runtime.config.UPSTREAM_CONNECT_TIMEOUT_SECONDS * 1000
  const timer = runtime.setTimer(abort, timeoutMs)
  const query = url.indexOf('?')
  try {
    const request = await prepareRequest(platform, openSecrets(account), {
      account,
      operation: route.operation,
      method: 'GET',
      subpath: '',
      headers: upstreamHeaders(headers, route.dialect.headerRules),
      search: query < 0 ? '' : url.slice(query),
      body: { bytes: noBody, model: '', modelStart: 0, modelEnd: 0 },
      upstreamModel: '',
      signal: late.signal,
    })
    return await openSocket(request.url, request.init)
  } finally {
    timer.clear()
    signal.removeEventListener('abort', abort)
  }
}
