/** Settings of a development Worker: what the tool itself needs, and what the Worker is told. */
import { existsSync, readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { type Config, loadConfig } from '../../config.ts'
import { openDataDir } from '../data-dir.ts'

type Environment = Record<string, string | undefined>

export interface DevSettings {
  config: Config
  /** Where the Worker shall listen. */
  port: number
  /** The settings that were given, as text, without those that mean nothing to a Worker. */
  forWorker: Record<string, string>
}

const settingsFile = '.dev.vars'
const defaultPort = 8787
const onlyOnNode = ['PORT', 'HOST', 'DATA_DIR', 'REDIS_URL']

/**
 * Reads the process environment, then `.dev.vars`, then secrets of the data directory.
 * @throws ConfigError that names the settings at fault.
 */
export function readDevSettings(environment: Environment): DevSettings {
  const file = existsSync(settingsFile) ? parseEnv(readFileSync(settingsFile, 'utf8')) : {}
  const given = { ...withoutBlank(file), ...withoutBlank(environment) }
  const readSecrets = openDataDir(given.DATA_DIR ?? './data')
  const hasSecrets = given.JWT_SECRET !== undefined && given.ENCRYPTION_KEY !== undefined
  const settings = hasSecrets ? given : { ...readSecrets(), ...given }
  const config = loadConfig(settings)
  // The parsed settings know the names; the Worker gets the text, to parse it in its own way.
  const names = Object.keys(config).filter((name) => !onlyOnNode.includes(name))
  const forWorker = Object.fromEntries(
    Object.entries(settings).filter(([name]) => names.includes(name)),
  )
  const port = given.PORT === undefined ? defaultPort : config.PORT
  return { config, port, forWorker }
}

function withoutBlank(environment: Environment): Record<string, string> {
  const entries = Object.entries(environment)
  return Object.fromEntries(
    entries.flatMap(([name, value]) => (value?.trim() ? [[name, value]] : [])),
  )
}
