/** Keys, passwords and sealed secrets: the gateway's only uses of cryptography. */
import { createCipheriv, createDecipheriv, createHash, scrypt, timingSafeEqual } from 'node:crypto'
import { GatewayError } from './errors.ts'
import { createTurns } from './process-limits.ts'

const base62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
/** Without 0 O, 1 I l, which people confuse. */
const unambiguous = '23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'

/** The lookup digest of an API key: SHA-256 suffices for keys that are random. */
export const digestApiKey = (plain: string): string =>
  createHash('sha256').update(plain).digest('hex')

/** A new API key: `prefix` and 32 base62 characters, 190 random bits. */
export const createApiKey = (prefix: string): string => prefix + randomText(32, base62)

const apiKeyForm = /^\w{1,16}[0-9A-Za-z]{32}$/

/**
 * Whether a text has the form of an API key of this gateway, with any prefix that API_KEY_PREFIX may
 * hold: keys outlive a change of that setting.
 */
export const couldBeApiKey = (plain: string): boolean =>
  plain.length <= 48 && apiKeyForm.test(plain)

/** What may be shown of an API key: its prefix up to the first `_`, and its last 4 characters. */
export function keyPreview(plain: string): string {
  const prefix = /^[a-z0-9]{1,16}_/i.exec(plain)?.[0] ?? ''
  // Of a short key four characters would be too much.
  return `${prefix}…${plain.length - prefix.length < 16 ? '' : plain.slice(-4)}`
}

/** A first password: 24 characters that cannot be misread, 139 random bits. */
export const generatePassword = (): string => randomText(24, unambiguous)

/** Asking for random bytes costs more than the bytes, so they are taken from a stock. */
const stockBytes = 4096
let stock = new Uint8Array()

/** Fresh random bytes, at most 64. */
export function randomBytes(count: number): Uint8Array<ArrayBuffer> {
  if (stock.length < count) stock = crypto.getRandomValues(new Uint8Array(stockBytes))
  const taken = stock.subarray(0, count)
  stock = stock.subarray(count)
  return taken
}

function randomText(length: number, alphabet: string): string {
  // Bytes beyond the last whole multiple would favour the first letters.
  const usable = 256 - (256 % alphabet.length)
  let out = ''
  while (out.length < length) {
    for (const byte of crypto.getRandomValues(new Uint8Array(length))) {
      if (byte < usable && out.length < length) out += alphabet.charAt(byte % alphabet.length)
    }
  }
  return out
}

/** Thrown by `unseal`; `message` is for the operator and never holds content. */
export class SealError extends Error {
  readonly reason: 'another_key' | 'damaged'

  constructor(reason: SealError['reason'], message: string) {
    super(message)
    this.name = 'SealError'
    this.reason = reason
  }
}

/** Encrypts secrets for the store, each bound to the record that it belongs to. */
export interface Sealer {
  /** First 8 hexadecimal digits of the key's SHA-256; every sealed text names it. */
  keyId: string
  /** Encrypts `plain`; `context`, such as a record's id, must be given again to unseal. */
  seal(plain: string, context: string): string
  /** @throws SealError if sealed with another key, for another context, or altered. */
  unseal(sealed: string, context: string): string
}

/**
 * A sealer by AES-256-GCM with a random IV of 96 bits (NIST SP 800-38D §8.2.2). The text form is
 * `v1.<key id>.<iv>.<ciphertext and tag>`, the last two in base64url.
 */
export function createSealer(encryptionKey: Uint8Array<ArrayBuffer>): Sealer {
  const keyId = createHash('sha256').update(encryptionKey).digest('hex').slice(0, 8)
  const key = encryptionKey.slice()
  const aad = (context: string) => new TextEncoder().encode(context)
  return {
    keyId,
    seal(plain, context) {
      const iv = crypto.getRandomValues(new Uint8Array(12))
      const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(aad(context))
      const sealed = concat(cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag())
      return `v1.${keyId}.${toBase64url(iv)}.${toBase64url(sealed)}`
    },
    unseal(sealed, context) {
      const { sealedWith, iv, ciphertext } = parseSealed(sealed)
      if (sealedWith !== keyId) {
        const message = `A stored secret was sealed with key ${sealedWith}, but ENCRYPTION_KEY is key ${keyId}`
        throw new SealError('another_key', message)
      }
      try {
        const end = ciphertext.length - tagBytes
        const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: tagBytes })
        decipher.setAAD(aad(context)).setAuthTag(ciphertext.subarray(end))
        const plain = concat(decipher.update(ciphertext.subarray(0, end)), decipher.final())
        return new TextDecoder('utf-8', { ignoreBOM: true }).decode(plain)
      } catch {
        throw damaged('it was altered, or moved from another record')
      }
    },
  }
}

const tagBytes = 16

function concat(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]))
}

function parseSealed(sealed: string) {
  const match = /^v1\.([0-9a-f]{8})\.([\w-]{16})\.([\w-]{22,})$/.exec(sealed)
  const [, sealedWith, iv, ciphertext] = match ?? []
  if (!sealedWith || !iv || !ciphertext || ciphertext.length % 4 === 1) {
    throw damaged('it is not in the sealed form')
  }
  return { sealedWith, iv: fromBase64url(iv), ciphertext: fromBase64url(ciphertext) }
}

const damaged = (why: string) =>
  new SealError('damaged', `A stored secret cannot be unsealed: ${why}`)

const toBase64url = (bytes: Uint8Array): string =>
  btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')

const fromBase64url = (text: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (char) =>
    char.charCodeAt(0),
  )

/** Parameters as RFC 7914 §2 names them: rounds, block size and parallelism. */
interface ScryptCost {
  N: number
  r: number
  p: number
}

/** What a password costs today; a hash of less is replaced when its owner logs in. */
const cost: ScryptCost = { N: 16_384, r: 8, p: 1 }

/**
 * The text to store for a password: `scrypt$<N>$<r>$<p>$<salt>$<hash>`, base64url. Takes about
 * 30 ms and 16 MiB, on a worker thread where the host has them.
 */
export async function hashPassword(password: string): Promise<string> {
  const salt = crypto.getRandomValues(new Uint8Array(16))
  const hash = await derive(password, salt, 32, cost)
  return `scrypt$${cost.N}$${cost.r}$${cost.p}$${toBase64url(salt)}$${toBase64url(hash)}`
}

/** Whether a hash was made at less cost than `hashPassword` takes today, or is no hash at all. */
export function isOutdatedHash(stored: string): boolean {
  const [, N, r, p] = storedForm.exec(stored) ?? []
  return Number(N) * Number(r) * Number(p) < cost.N * cost.r * cost.p || N === undefined
}

const storedForm = /^scrypt\$(\d{1,7})\$(\d{1,2})\$(\d{1,2})\$([\w-]{22,86})\$([\w-]{22,86})$/

/**
 * Whether `stored` is the hash of `password`, by the parameters that `stored` names. False, not an
 * error, for a text that is malformed or asks for more than 128 MiB or 4 passes.
 */
export async function verifyPassword(password: string, stored: string): Promise<boolean> {
  const [, N, r, p, salt, hash] = storedForm.exec(stored) ?? []
  if (!salt || !hash || salt.length % 4 === 1 || hash.length % 4 === 1) return false
  const stated = { N: Number(N), r: Number(r), p: Number(p) }
  if (!isSane(stated)) return false
  const expected = fromBase64url(hash)
  const actual = await derive(password, fromBase64url(salt), expected.length, stated)
  return timingSafeEqual(actual, expected)
}

const isSane = ({ N, r, p }: ScryptCost) =>
  N >= 1024 && (N & (N - 1)) === 0 && r >= 1 && 128 * N * r <= 128 * 1024 * 1024 && p >= 1 && p <= 4

/** Node computes scrypt on four threads, which resolving host names and reading files need too. */
const derivations = createTurns(2, 200)

/** At most two run at a time. @throws GatewayError `gateway_busy` when too many wait. */
async function derive(
  password: string,
  salt: Uint8Array,
  length: number,
  cost: ScryptCost,
): Promise<Uint8Array> {
  const done = await derivations.take(() => deriveNow(password, salt, length, cost))
  if (done) return done.result
  const message = 'Too many passwords are being checked; try again in a few seconds'
  throw new GatewayError('gateway_busy', message, { retryAfterSeconds: 5 })
}

function deriveNow(
  password: string,
  salt: Uint8Array,
  length: number,
  cost: ScryptCost,
): Promise<Uint8Array> {
  // The default bound of memory is 32 MiB, whatever the parameters need.
  const options = { ...cost, maxmem: 256 * cost.N * cost.r + 1024 * 1024 }
  return new Promise((resolve, reject) => {
    // One and the same password can be typed in composed and in decomposed characters.
    scrypt(password.normalize('NFC'), salt, length, options, (error, hash) => {
      if (error) reject(error)
      else resolve(hash)
    })
  })
}
