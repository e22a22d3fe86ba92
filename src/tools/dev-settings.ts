/** Settings of a development Worker: what the tool itself needs, and what the Worker is told. */
import { type Config, loadConfig } from '../config.ts'
import { type Environment, readGatewayEnvironment } from '../node/environment.ts'

export interface DevSettings {
  config: Config
  /** Where the Worker shall listen. */
  port: number
  /** The settings that were given, as text, without those that mean nothing to a Worker. */
  forWorker: Record<string, string>
}

const defaultPort = 8787
const onlyOnNode = ['PORT', 'HOST', 'DATA_DIR', 'REDIS_URL']

/**
 * Reads the process environment, then `.dev.vars`, then secrets of the data directory.
 * @throws ConfigError that names the settings at fault.
 */
export function readDevSettings(environment: Environment): DevSettings {
  const settings = readGatewayEnvironment(environment)
  const config = loadConfig(settings)
  // The parsed settings know the names; the Worker gets the text, to parse it in its own way.
  const names = Object.keys(config).filter((name) => !onlyOnNode.includes(name))
  const forWorker = Object.fromEntries(
    Object.entries(settings).filter(([name]) => names.includes(name)),
  )
  const port = settings.PORT === undefined ? defaultPort : config.PORT
  return { config, port, forWorker }
}
