/** Chooses the engine that the settings ask for and proves that it answers. */
import { join } from 'node:path'
import { type Config, ConfigError } from '../config.ts'
import type { Engine } from '../store/redis.ts'

export type EngineName = 'embedded' | 'redis'

/**
 * Opens Redis when `REDIS_URL` is set, else the embedded store in `DATA_DIR`.
 * @throws Error that names the setting when the store cannot be opened or reached.
 */
export async function openEngine(config: Config): Promise<{ name: EngineName; engine: Engine }> {
  if (config.UPSTASH_REDIS_REST_URL) {
    throw new ConfigError('UPSTASH_REDIS_REST_URL: this version cannot use Upstash on Node yet')
  }
  if (config.REDIS_URL) {
    // Loaded on demand: nobody waits at start for the client of a store that is not used.
    const { createTcpEngine } = await import('./tcp-engine.ts')
    const engine = createTcpEngine({ url: config.REDIS_URL, timeoutMs: config.STORE_TIMEOUT_MS })
    await engine.connect()
    return { name: 'redis', engine }
  }
  const { createEmbeddedEngine } = await import('./embedded/engine.ts')
  const path = join(config.DATA_DIR, 'store.sqlite')
  return { name: 'embedded', engine: createEmbeddedEngine({ path }) }
}
