/**
 * HTTP messages as the relay reads and makes them. The web's own classes satisfy these types; a host may
 * lend cheaper ones, as Node does.
 */

/** Reads the fields of a message; names are compared without regard to case. */
export interface HeaderReader extends Iterable<[name: string, value: string]> {
  /** The value of a field, in which lines of the same name are joined; null without one. */
  get(name: string): string | null
  has(name: string): boolean
}

/** Fields that may be changed. */
export interface HeaderFields extends HeaderReader {
  set(name: string, value: string): void
  delete(name: string): void
}

/** A part of a body, or its end. */
export type ByteRead =
  | { done: false; value: Uint8Array }
  | { done: true; value?: Uint8Array | undefined }

/** Reads a body part by part. */
export interface ByteReader {
  read(): Promise<ByteRead>
  /** Ends the body: what has not been read is dropped. */
  cancel(reason?: unknown): Promise<void>
  /** Whether one read may bring together what arrived in several parts. */
  joinsParts?: boolean
}

/** A body that arrives part by part; it has one reader. */
export interface ByteStream {
  getReader(): ByteReader
}

/** A request of a client. */
export interface HttpRequest {
  /** With the query, if it has one; absolute, or from the path on. */
  url: string
  headers: HeaderReader
  body: ByteStream | null
  /** Aborted when the client has gone. */
  signal: AbortSignal
  /** Aborts `signal`, where that is for the relay to do as well. */
  abort?: (reason?: unknown) => void
}

/** An answer, to the gateway or by it; its body may be whole already. */
export interface HttpAnswer<Stream extends ByteStream = ByteStream> {
  status: number
  headers: HeaderFields
  body: Uint8Array<ArrayBuffer> | Stream | null
}

/** What the relay answers a client. */
export type RelayAnswer = HttpAnswer<ReadableStream<Uint8Array>>

/** Header fields in the order in which they came; each name once, in lower case. */
export class HeaderList implements HeaderFields {
  #fields = new Map<string, string>()

  constructor(fields: Iterable<[name: string, value: string]> = []) {
    for (const [name, value] of fields) this.append(name, value)
  }

  get(name: string): string | null {
    return this.#fields.get(name.toLowerCase()) ?? null
  }

  has(name: string): boolean {
    return this.#fields.has(name.toLowerCase())
  }

  set(name: string, value: string): void {
    this.#fields.set(name.toLowerCase(), value)
  }

  /** Adds a line; it is joined to one of the same name (RFC 9110 §5.3). */
  append(name: string, value: string): void {
    const lowerName = name.toLowerCase()
    const known = this.#fields.get(lowerName)
    const separator = lowerName === 'cookie' ? '; ' : ', '
    this.#fields.set(lowerName, known === undefined ? value : known + separator + value)
  }

  delete(name: string): void {
    this.#fields.delete(name.toLowerCase())
  }

  keys(): Iterable<string> {
    return this.#fields.keys()
  }

  [Symbol.iterator](): IterableIterator<[string, string]> {
    return this.#fields.entries()
  }
}

/** A reader of a body that has ended. */
export const endedReader: ByteReader = {
  read: async () => ({ done: true, value: undefined }),
  cancel: async () => {},
}

const nullBodyStatuses = new Set([204, 205, 304])

/** The answer as the web has it. */
export function asResponse(answer: RelayAnswer): Response {
  if (answer instanceof Response) return answer
  const { status, headers, body } = answer
  return new Response(nullBodyStatuses.has(status) ? null : body, { status, headers: [...headers] })
}
