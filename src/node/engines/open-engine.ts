/** Chooses the engine that the settings ask for and proves that it answers. */
import { join } from 'node:path'
import type { Config } from '../../config.ts'
import type { Engine } from '../../store/redis.ts'
import { unlessAborted } from '../../unless-aborted.ts'
import { systemClock } from '../clock.ts'

export interface OpenedEngine {
  name: 'embedded' | 'redis' | 'upstash'
  engine: Engine
}

/** The settings that choose and open a store. */
export type StoreSettings = Pick<Config, 'DATA_DIR' | 'REDIS_URL' | 'STORE_TIMEOUT_MS'> &
  Partial<Pick<Config, 'UPSTASH_REDIS_REST_URL' | 'UPSTASH_REDIS_REST_TOKEN'>>

/**
 * Opens Upstash when `UPSTASH_REDIS_REST_URL` is set, else Redis when `REDIS_URL` is set, else the
 * embedded store in `DATA_DIR`.
 * @param stopped ends the waiting for a store: it rejects with the reason.
 * @throws Error that names the setting when the store cannot be opened or reached.
 */
export async function openEngine(
  settings: StoreSettings,
  stopped: AbortSignal = new AbortController().signal,
): Promise<OpenedEngine> {
  const { REDIS_URL, STORE_TIMEOUT_MS: timeoutMs } = settings
  const { UPSTASH_REDIS_REST_URL: restUrl, UPSTASH_REDIS_REST_TOKEN: token = '' } = settings
  // Engines are loaded on demand: a start does not wait for the client of a store that is not used.
  if (restUrl) {
    const { createUpstashEngine } = await import('../../store/upstash.ts')
    const engine = createUpstashEngine({ url: restUrl, token, timeoutMs, clock: systemClock })
    return { name: 'upstash', engine: await prove(engine, ping(engine, restUrl), stopped) }
  }
  if (REDIS_URL) {
    const { createTcpEngine } = await import('./tcp.ts')
    const engine = createTcpEngine({ url: REDIS_URL, timeoutMs })
    return { name: 'redis', engine: await prove(engine, engine.connect(), stopped) }
  }
  const { createEmbeddedEngine } = await import('./embedded/engine.ts')
  const path = join(settings.DATA_DIR, 'store.sqlite')
  return { name: 'embedded', engine: createEmbeddedEngine({ path }) }
}

/** Resolves to the engine when `proof` shows that its store answers, and else closes it. */
async function prove(engine: Engine, proof: Promise<void>, stopped: AbortSignal): Promise<Engine> {
  try {
    await unlessAborted(proof, stopped)
    return engine
  } catch (error) {
    await engine.close()
    throw error
  }
}

async function ping(engine: Engine, url: string): Promise<void> {
  try {
    const { error } = await engine.request({ body: ['PING'] })
    if (error !== undefined) {
      throw new Error(`UPSTASH_REDIS_REST_URL: the store refuses PING: ${error}`)
    }
  } catch (error) {
    // The engine's own errors contain no secret.
    const reason = error instanceof Error ? error.message : String(error)
    throw new Error(`${reason} (${new URL(url).host})`)
  }
}
