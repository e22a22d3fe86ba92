/** The one seam to the host: everything that the gateway needs of its host is in a `Runtime`. */
import type { Redis } from '@upstash/redis'
import type { Context } from 'hono'
import type { Clock } from './clock.ts'
import type { Config } from './config.ts'
import type { Observer } from './domain/events.ts'
import type { ByteReader, HeaderFields, HttpAnswer } from './http-message.ts'
import type { MessageSocket } from './message-socket.ts'

/** A proxy between the gateway and the upstream of one account. */
export interface OutboundProxy {
  protocol: 'http' | 'https' | 'socks5'
  host: string
  port: number
  auth: { username: string; password: string } | undefined
}

/** What the relay hands to an upstream. */
export interface UpstreamRequest {
  method: string
  headers: HeaderFields
  body: Uint8Array<ArrayBuffer> | undefined
  /** Aborting it ends the request at once, whether or not headers have arrived. */
  signal: AbortSignal
  /** Redirects are answers to classify, never followed: a credential must not reach another host. */
  redirect: 'manual'
  /** Goes through this proxy, on connections that no other account shares; only where `canProxy`. */
  via?: { accountId: string; proxy: OutboundProxy }
}

/** A settlement that waits in the journal. */
export interface JournalEntry {
  ledgerId: string
  /** Undefined where its record is damaged. */
  payload: string | undefined
  createdAtMs: number
}

/** Keeps settlements that have not reached the store yet, where the host has a disk. */
export interface SettlementJournal {
  /** Records a settlement; it is durable, and may be sent, when the promise resolves. */
  put(ledgerId: string, payload: string, nowMs: number): Promise<void>
  /** The settlement of a request, if it waits and can be read. @throws what the disk throws. */
  get(ledgerId: string): string | undefined
  /** Removes a settlement that the store has confirmed, at the latest with the next one. */
  remove(ledgerId: string): void
  /** Every settlement still waiting, oldest first. @throws what the disk throws. */
  pending(): JournalEntry[]
}

/** Reads what one whole compressed body holds. Rejects what is cut off, followed by more, or damaged. */
export type Decompress = (compressed: Uint8Array<ArrayBuffer>) => ByteReader

/** What the host lends. A `Runtime` is a `Clock` too, and can be handed on as one. */
export interface Runtime extends Clock {
  config: Config
  /** Typed client over the engine; replies are raw strings, never decoded JSON. */
  redis: Redis
  /** Sends a request upstream. Rejects on connect, TLS, reset and abort. */
  fetch: (url: string, request: UpstreamRequest) => Promise<HttpAnswer>
  /** Opens a WebSocket to an upstream. Rejects when the upstream does not; absent where the host cannot. */
  openSocket?: (url: string, request: UpstreamRequest) => Promise<MessageSocket>
  /** How many responses one socket may serve, where the work of one is bounded; absent: any number. */
  socketResponseLimit?: number
  /** By content coding, the compressions of a request body that the host can undo; absent: none. */
  decompressors?: ReadonlyMap<string, Decompress>
  /** Whether `fetch` can go through a proxy: on Node it can, on Workers it cannot. */
  canProxy: boolean
  /** Where a request comes from, as the host itself knows it; undefined where it does not. */
  clientAddress: (c: Context) => string | undefined
  /** What a fast stream brings within so many milliseconds is sent as one, where each write is dear. */
  gatherMs?: number
  /** How often a waiting request may ask the store, where that is few; absent: as often as it likes. */
  waitingPollLimit?: number
  /** On Workers, where a request must not wait for what another one has asked for. */
  isolatesRequests?: true
  /** Lets work go on after the response; the host waits for it as long as it can. */
  defer: (work: Promise<unknown>) => void
  /** Set where the host drops a request when its client goes, with all that it has not deferred. */
  dropsAbandoned?: true
  /** Gets every event of the gateway; never throws. */
  observe: Observer
  /** Absent where there is no disk (Workers). */
  journal?: SettlementJournal
}
