/** Stands in for scrypt where tests guess one password again and again, or count what is computed. */
import crypto, { type ScryptOptions } from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'

type Done = (error: Error | null, hash: Buffer) => void
type Derive = (
  password: string,
  salt: Uint8Array,
  length: number,
  options: ScryptOptions,
) => Promise<Buffer>

/** Puts what `wrap` makes of the real scrypt in its place, until the function it returns is called. */
function replaceScrypt(wrap: (derive: Derive) => Derive): () => void {
  const real = crypto.scrypt
  const put = (scrypt: unknown) => {
    Object.assign(crypto, { scrypt })
    syncBuiltinESMExports()
  }
  const derive = wrap(
    (password, salt, length, options) =>
      new Promise((resolve, reject) => {
        real(password, salt, length, options, (error, hash) =>
          error ? reject(error) : resolve(hash),
        )
      }),
  )
  put((...[password, salt, length, options, done]: [...Parameters<Derive>, Done]) => {
    derive(password, salt, length, options).then(
      (bytes) => done(null, Buffer.from(bytes)),
      (error) => done(error, Buffer.alloc(0)),
    )
  })
  return () => put(real)
}

/** Computes each derivation once from now on, until the function it returns is called. */
export function rememberScrypt(): () => void {
  const known = new Map<string, Promise<Buffer>>()
  return replaceScrypt((derive) => (password, salt, length, options) => {
    const key = JSON.stringify([password, Buffer.from(salt).toString('hex'), length, options])
    const hash = known.get(key) ?? derive(password, salt, length, options)
    known.set(key, hash)
    return hash
  })
}

/** Records what each derivation costs; each waits for `before` until it begins. */
export function watchScrypt(before: () => Promise<void> = async () => {}) {
  const derivations: (ScryptOptions & { length: number })[] = []
  const restore = replaceScrypt((derive) => async (password, salt, length, options) => {
    derivations.push({ ...options, length })
    await before()
    return derive(password, salt, length, options)
  })
  return { derivations, restore }
}
