/** Settings of the REST bridge: its own three, and those that say which store it serves. */
import { isIPv4 } from 'node:net'
import { z } from 'zod'
import { type Config, loadConfig, parseSettings } from '../../config.ts'

export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'))

const Environment = z
  .object({
    BRIDGE_PORT: z.coerce
      .number('must be a number')
      .int('must be a whole number')
      .min(0, 'must be at least 0')
      .max(65_535, 'must be at most 65535')
      .default(8079),
    BRIDGE_HOST: z.string().default('127.0.0.1'),
    BRIDGE_TOKEN: z
      .string()
      .regex(/^(?! )[\x20-\x7e]+(?<! )$/, 'must be ASCII without blanks around it')
      .optional(),
  })
  .refine((env) => isLoopback(env.BRIDGE_HOST) || (env.BRIDGE_TOKEN ?? '').length >= 16, {
    path: ['BRIDGE_TOKEN'],
    message: 'must be set, with at least 16 characters, when BRIDGE_HOST is not a loopback address',
    when: () => true,
  })

export const bridgeSettingNames: readonly string[] = Object.keys(Environment.shape)

export type BridgeConfig = z.infer<typeof Environment> &
  Pick<Config, 'DATA_DIR' | 'REDIS_URL' | 'STORE_TIMEOUT_MS'>

/**
 * Reads the settings of the bridge from `env`; an empty or blank string counts as absent.
 * @throws ConfigError that names the settings at fault, and never a value.
 */
export function loadBridgeConfig(env: Record<string, string | undefined>): BridgeConfig {
  const own = parseSettings(Environment, env)
  const store = loadConfig({
    DATA_DIR: env.DATA_DIR,
    REDIS_URL: env.REDIS_URL,
    STORE_TIMEOUT_MS: env.STORE_TIMEOUT_MS,
    // The bridge uses neither secret: they only complete the settings of a gateway.
    JWT_SECRET: '-'.repeat(32),
    ENCRYPTION_KEY: '0'.repeat(64),
  })
  const { DATA_DIR, REDIS_URL, STORE_TIMEOUT_MS } = store
  return { ...own, DATA_DIR, REDIS_URL, STORE_TIMEOUT_MS }
}
