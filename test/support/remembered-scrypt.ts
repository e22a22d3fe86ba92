/** A scrypt that computes each derivation once, for tests that guess one password again and again. */
import crypto, { type ScryptOptions } from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'

type Derived = (error: Error | null, hash: Buffer) => void

/** Puts it in the place of the real one, until the function it returns is called. */
export function rememberScrypt(): () => void {
  const real = crypto.scrypt
  const known = new Map<string, Promise<Buffer>>()
  const derive = (password: string, salt: Uint8Array, length: number, options: ScryptOptions) =>
    new Promise<Buffer>((resolve, reject) => {
      real(password, salt, length, options, (error, hash) =>
        error ? reject(error) : resolve(hash),
      )
    })
  function remembered(
    password: string,
    salt: Uint8Array,
    length: number,
    options: ScryptOptions,
    done: Derived,
  ) {
    const key = JSON.stringify([password, Buffer.from(salt).toString('hex'), length, options])
    const hash = known.get(key) ?? derive(password, salt, length, options)
    known.set(key, hash)
    hash.then(
      (bytes) => done(null, Buffer.from(bytes)),
      (error) => done(error, Buffer.alloc(0)),
    )
  }
  const replace = (scrypt: unknown) => {
    Object.assign(crypto, { scrypt })
    syncBuiltinESMExports()
  }
  replace(remembered)
  return () => replace(real)
}
