/** Reads the settings of Node: from the process environment, `.dev.vars` and the data directory. */
import { existsSync, readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { openDataDir } from './data-dir.ts'

export type Environment = Record<string, string | undefined>

const settingsFile = '.dev.vars'

/** The settings that are given: the environment wins over the file, and blank counts as absent. */
export function readEnvironment(environment: Environment): Record<string, string> {
  const file = existsSync(settingsFile) ? parseEnv(readFileSync(settingsFile, 'utf8')) : {}
  return { ...withoutBlank(file), ...withoutBlank(environment) }
}

/**
 * The same, completed by the secrets of the data directory, which is made when it is missing.
 * @throws ConfigError that names DATA_DIR when that cannot be used.
 */
export function readGatewayEnvironment(environment: Environment): Record<string, string> {
  const given = readEnvironment(environment)
  const readSecrets = openDataDir(given.DATA_DIR ?? './data')
  const hasSecrets = given.JWT_SECRET !== undefined && given.ENCRYPTION_KEY !== undefined
  return hasSecrets ? given : { ...readSecrets(), ...given }
}

function withoutBlank(environment: Environment): Record<string, string> {
  const entries = Object.entries(environment)
  return Object.fromEntries(
    entries.flatMap(([name, value]) => (value?.trim() ? [[name, value]] : [])),
  )
}
