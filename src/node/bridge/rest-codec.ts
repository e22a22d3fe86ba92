/** Upstash's REST protocol as text: commands in, replies out. */

/** A request that gets this status and this text instead of a reply. */
export class Refusal extends Error {
  readonly status: 400 | 401 | 404 | 405 | 413

  constructor(status: Refusal['status'], message: string) {
    super(message)
    this.status = status
  }
}

const malformed = (what: string) => new Refusal(400, `ERR malformed request: ${what}`)

/** Reads a body as text. @throws Refusal if it is larger than `maxBytes` or not UTF-8. */
export async function readText(request: Request, maxBytes: number): Promise<string> {
  const tooLarge = new Refusal(413, `ERR max request size exceeded. Limit: ${maxBytes} bytes`)
  if (Number(request.headers.get('content-length')) > maxBytes) throw tooLarge
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of request.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > maxBytes) throw tooLarge
    chunks.push(chunk)
  }
  try {
    // The engines store text: other bytes would come back changed.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(chunks))
  } catch {
    throw malformed('the body is not UTF-8')
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The parser's own message quotes what it could not read.
    throw malformed('the body is not JSON')
  }
}

function toWord(value: unknown): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  throw malformed('an argument must be a string, a number or a boolean')
}

function toWords(value: unknown): string[] {
  if (!Array.isArray(value)) throw malformed('a command must be an array')
  if (value.length === 0) throw new Refusal(400, 'ERR empty command')
  return value.map(toWord)
}

/** Reads a command that is the whole body. */
export const parseCommand = (text: string): string[] => toWords(parseJson(text))

/** Reads the commands of a pipeline or a transaction. */
export function parseCommands(text: string): string[][] {
  const commands = parseJson(text)
  if (!Array.isArray(commands)) throw malformed('the body must be an array of commands')
  return commands.map(toWords)
}

/** Encodes the strings of a reply as base64; only an OK that is the whole reply stays as it is. */
export function encodeReply(reply: unknown): unknown {
  return reply === 'OK' ? reply : encodeStrings(reply)
}

function encodeStrings(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(encodeStrings)
  // Inside an array the client would take a bare OK for base64.
  return typeof value === 'string' ? Buffer.from(value).toString('base64') : value
}
