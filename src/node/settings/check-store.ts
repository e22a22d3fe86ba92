/** What a store must be able to do, and what about it is probably not as it was meant. */
import { createHash } from 'node:crypto'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { type Config, ConfigError } from '../../config.ts'
import type { OpenedEngine } from '../engines/open-engine.ts'
import type { Question } from './question.ts'

/** The setting that names the store. */
const settingOf = {
  embedded: 'DATA_DIR',
  redis: 'REDIS_URL',
  upstash: 'UPSTASH_REDIS_REST_TOKEN',
} satisfies Record<OpenedEngine['name'], keyof Config>

/**
 * Asks the store at start what would else show only later.
 * @throws ConfigError that names the setting when its user may not run scripts.
 */
export async function checkStore(store: OpenedEngine, config: Config): Promise<Question[]> {
  await requireScripts(store)
  return [
    ...unusedSettings(store, config),
    ...unusedEmbeddedStore(store, config),
    ...(await evictionPolicy(store)),
  ]
}

const probe = 'return 1'
const probeDigest = createHash('sha1').update(probe).digest('hex')

async function requireScripts({ name, engine }: OpenedEngine): Promise<void> {
  if (name === 'embedded') return
  for (const command of [
    ['EVAL', probe, '0'],
    ['EVALSHA', probeDigest, '0'],
  ]) {
    const { error } = await engine.request({ body: command })
    if (error?.startsWith('NOPERM')) {
      throw new ConfigError(
        `${settingOf[name]}: the user of this store may not run scripts (${command[0]}), which the gateway needs; allow it all commands of @scripting`,
      )
    }
  }
}

function unusedSettings({ name }: OpenedEngine, { REDIS_URL }: Config): Question[] {
  if (name !== 'upstash' || REDIS_URL === undefined) return []
  const message = 'It is not used, as UPSTASH_REDIS_REST_URL is set too'
  return [{ setting: 'REDIS_URL', message }]
}

function unusedEmbeddedStore({ name }: OpenedEngine, { DATA_DIR }: Config): Question[] {
  const file = join(DATA_DIR, 'store.sqlite')
  if (name === 'embedded' || !statSync(file, { throwIfNoEntry: false })?.size) return []
  const setting = name === 'redis' ? 'REDIS_URL' : 'UPSTASH_REDIS_REST_URL'
  const message =
    'DATA_DIR holds an embedded store too, which is not used: its accounts, keys and charges are not in this store; move store.sqlite away if that is meant'
  return [{ setting, message }]
}

/** Only TCP: the REST protocol does not tell. */
async function evictionPolicy({ name, engine }: OpenedEngine): Promise<Question[]> {
  if (name !== 'redis') return []
  const { result } = await engine
    .request<unknown>({ body: ['INFO', 'memory'] })
    .catch(() => ({ result: undefined }))
  const [, policy] = /^maxmemory_policy:([\w-]+)/m.exec(String(result)) ?? []
  if (policy === undefined || policy === 'noeviction') return []
  const message = `The store removes keys when its memory is full (maxmemory-policy ${policy}), and with them accounts, keys and charges; set it to noeviction`
  return [{ setting: 'REDIS_URL', message }]
}
