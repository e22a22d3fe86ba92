/** Settings of a development Worker: those of the tool itself, and those that the Worker gets. */
import { type Config, loadConfig } from '../../config.ts'
import { type Environment, readGatewayEnvironment } from '../../node/settings/environment.ts'
import type { Question } from '../../node/settings/question.ts'

export interface DevSettings {
  config: Config
  /** The port of the Worker. */
  port: number
  /** The settings that were given, as text, without those that mean nothing to a Worker. */
  forWorker: Record<string, string>
  questions: Question[]
}

const defaultPort = 8787
const onlyOnNode = ['PORT', 'HOST', 'DATA_DIR', 'REDIS_URL', 'KEEP_ALIVE_SECONDS']

/**
 * Reads the process environment, then `.dev.vars`, then secrets of the data directory.
 * @throws ConfigError that names the settings at fault.
 */
export function readDevSettings(environment: Environment): DevSettings {
  const { given: settings, questions } = readGatewayEnvironment(environment)
  const config = loadConfig(settings)
  // The names are those of the parsed settings; the Worker gets the text, and parses it itself.
  const names = Object.keys(config).filter((name) => !onlyOnNode.includes(name))
  const forWorker = Object.fromEntries(
    Object.entries(settings).filter(([name]) => names.includes(name)),
  )
  const port = settings.PORT === undefined ? defaultPort : config.PORT
  return { config, port, forWorker, questions }
}
