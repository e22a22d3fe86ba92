/** Chooses the engine that the settings ask for and proves that it answers. */
import { join } from 'node:path'
import type { Config } from '../config.ts'
import type { Engine } from '../store/redis.ts'
import { systemClock } from './clock.ts'

export type EngineName = 'embedded' | 'redis' | 'upstash'

/** The settings that choose and open a store. */
export type StoreSettings = Pick<Config, 'DATA_DIR' | 'REDIS_URL' | 'STORE_TIMEOUT_MS'> &
  Partial<Pick<Config, 'UPSTASH_REDIS_REST_URL' | 'UPSTASH_REDIS_REST_TOKEN'>>

/**
 * Opens Upstash when `UPSTASH_REDIS_REST_URL` is set, else Redis when `REDIS_URL` is set, else the
 * embedded store in `DATA_DIR`.
 * @throws Error that names the setting when the store cannot be opened or reached.
 */
export async function openEngine(
  settings: StoreSettings,
): Promise<{ name: EngineName; engine: Engine }> {
  const { UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: token = '' } = settings
  if (url) {
    return { name: 'upstash', engine: await openUpstash(url, token, settings.STORE_TIMEOUT_MS) }
  }
  if (settings.REDIS_URL) {
    // Loaded on demand: nobody waits at start for the client of a store that is not used.
    const { createTcpEngine } = await import('./tcp-engine.ts')
    const timeoutMs = settings.STORE_TIMEOUT_MS
    const engine = createTcpEngine({ url: settings.REDIS_URL, timeoutMs })
    await engine.connect()
    return { name: 'redis', engine }
  }
  const { createEmbeddedEngine } = await import('./embedded/engine.ts')
  const path = join(settings.DATA_DIR, 'store.sqlite')
  return { name: 'embedded', engine: createEmbeddedEngine({ path }) }
}

async function openUpstash(url: string, token: string, timeoutMs: number): Promise<Engine> {
  const { createUpstashEngine } = await import('../store/upstash.ts')
  const engine = createUpstashEngine({ url, token, timeoutMs, clock: systemClock })
  try {
    const { error } = await engine.request({ body: ['PING'] })
    if (error === undefined) return engine
    throw new Error(`UPSTASH_REDIS_REST_URL: the store refuses PING: ${error}`)
  } catch (error) {
    // The engine's own errors tell no more than what went wrong.
    const reason = error instanceof Error ? error.message : String(error)
    throw new Error(`${reason} (${new URL(url).host})`)
  }
}
