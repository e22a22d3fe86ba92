/** The data directory: created on first start, readable by its owner only. */
import { randomBytes } from 'node:crypto'
import { linkSync, mkdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { ConfigError } from '../../config.ts'

/** Secrets that the gateway makes for itself when the environment names none. */
const Secrets = z.object({ JWT_SECRET: z.string(), ENCRYPTION_KEY: z.string() })
export type Secrets = z.infer<typeof Secrets>

/**
 * Makes `directory` when it is missing.
 * @returns a reader of its `secrets.json`, which makes that file when it is missing.
 * @throws ConfigError that names DATA_DIR when the directory cannot be used.
 */
export function openDataDir(directory: string): () => Secrets {
  const file = join(directory, 'secrets.json')
  usable(directory, () => {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
  })
  return () => usable(directory, () => readSecrets(file) ?? createSecrets(file))
}

function usable<T>(directory: string, use: () => T): T {
  try {
    return use()
  } catch (error) {
    if (error instanceof ConfigError) throw error
    const reason = error instanceof Error ? error.message : String(error)
    throw new ConfigError(`DATA_DIR: ${directory} cannot be used: ${reason}`)
  }
}

function readSecrets(file: string): Secrets | undefined {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
  try {
    return Secrets.parse(JSON.parse(text))
  } catch {
    // With new secrets, the stored credentials could never be read again.
    throw new ConfigError(`DATA_DIR: ${file} is damaged; restore it from a backup`)
  }
}

function createSecrets(file: string): Secrets {
  const secrets = {
    JWT_SECRET: randomBytes(32).toString('hex'),
    ENCRYPTION_KEY: randomBytes(32).toString('hex'),
  }
  // Linked into place: a crash leaves no half-written file, and two first starts get one file.
  const draft = `${file}.${process.pid}`
  writeFileSync(draft, `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600 })
  try {
    linkSync(draft, file)
    return secrets
  } catch (error) {
    const existing = readSecrets(file)
    if (!existing) throw error
    return existing
  } finally {
    unlinkSync(draft)
  }
}
