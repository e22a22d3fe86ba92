/** Settings of the gateway, read once from the environment and validated as a whole. */
import { z } from 'zod'

const toBytes = (value: string): Uint8Array<ArrayBuffer> | undefined => {
  if (/^[0-9a-f]{64}$/i.test(value)) {
    return Uint8Array.from(value.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
  }
  if (!/^[\w+/-]{43}=?$/.test(value)) return undefined
  const base64 = value.replaceAll('-', '+').replaceAll('_', '/')
  return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0))
}

const isTimeZone = (name: string) => {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}

const integer = (fallback: number, min: number, max: number) =>
  z.coerce
    .number('must be a number')
    .int('must be a whole number')
    .min(min, `must be at least ${min}`)
    .max(max, `must be at most ${max}`)
    .default(fallback)

const flag = (fallback: 'true' | 'false' = 'false') =>
  z
    .enum(['true', 'false'])
    .default(fallback)
    .transform((value) => value === 'true')

const isOrigin = (value: string) =>
  /^https?:/.test(value) && URL.canParse(value) && new URL(value).origin === value

const origins = z
  .string()
  .transform((list) => list.split(',').map((origin) => origin.trim()))
  .refine((list) => list.every(isOrigin), {
    message: 'must be origins separated by commas, like https://admin.example.com',
  })

const isUrl = (value: string, protocols: string[]) =>
  URL.canParse(value) && protocols.includes(new URL(value).protocol)

const restUrl = z.string().refine((value) => isUrl(value, ['https:', 'http:']), {
  message: 'must be a URL like https://name.upstash.io',
})

/** Where clients reach the gateway; a path is kept, a slash at its end is not. */
const publicUrl = z
  .string()
  .refine((value) => isUrl(value, ['https:', 'http:']), {
    message: 'must be a URL like https://gateway.example.com',
  })
  .transform((value) => value.replace(/\/$/, ''))

/** Of an administrator, in characters: wherever one is set. */
export const passwordLength = { min: 12, max: 1000 }

const redisUrl = z.string().superRefine((value, ctx) => {
  const fault = redisUrlFault(value)
  if (fault !== undefined) ctx.addIssue(fault)
})

/** What is wrong with it, or what the client of the store would ignore or misread. */
function redisUrlFault(value: string): string | undefined {
  // A password with one of these ends the host for the parser, which then takes the user for the host.
  if (/#/.test(value) || /[/?][^@]*@/.test(value.replace(/^\w+:\/\//, ''))) {
    return 'must not contain # / or ? in a password; write %23, %2F and %3F for them'
  }
  if (!isUrl(value, ['redis:', 'rediss:'])) return 'must be a URL like redis://127.0.0.1:6379'
  const { username, password, pathname, searchParams } = new URL(value)
  try {
    decodeURIComponent(username + password)
  } catch {
    return 'must not contain a bare % in a password; write %25 for it'
  }
  const databases = [pathname.slice(1), searchParams.get('db') ?? '']
  if (databases.every((database) => /^\d{0,5}$/.test(database))) return undefined
  return 'must end in the number of a database, like redis://127.0.0.1:6379/2, or in none'
}

const Environment = z
  .object({
    PORT: integer(3000, 0, 65_535),
    HOST: z.string().default('127.0.0.1'),
    DATA_DIR: z.string().default('./data'),
    ADMIN_USERNAME: z.string().trim().min(1).max(100).default('admin'),
    ADMIN_PASSWORD: z
      .string()
      .min(passwordLength.min, `must have at least ${passwordLength.min} characters`)
      .max(passwordLength.max, `must have at most ${passwordLength.max} characters`)
      .optional(),
    JWT_SECRET: z.string('is required').min(32, 'must have at least 32 characters'),
    ENCRYPTION_KEY: z.string('is required').transform((value, ctx) => {
      const bytes = toBytes(value)
      if (bytes?.length === 32) return bytes
      ctx.addIssue('must be 32 bytes, written as 64 hexadecimal digits or as base64')
      return z.NEVER
    }),
    REDIS_URL: redisUrl.optional(),
    UPSTASH_REDIS_REST_URL: restUrl.optional(),
    UPSTASH_REDIS_REST_TOKEN: z.string().min(1).optional(),
    KEY_PREFIX: z
      .string()
      .regex(/^[\w:.-]*$/, 'may hold letters, digits and _ : . -')
      .default('crs:'),
    API_KEY_PREFIX: z
      .string()
      .regex(/^\w{1,16}$/, 'must be 1 to 16 letters, digits or _')
      .default('cr_'),
    TIMEZONE: z
      .string()
      .refine(isTimeZone, 'must be an IANA time zone such as Europe/Berlin')
      .default('UTC'),
    LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
    ALLOW_PRIVATE_UPSTREAMS: flag(),
    ALLOW_PRIVATE_PROXIES: flag(),
    CORS_ORIGINS: origins.default([]),
    TRUST_PROXY_HEADER: flag(),
    PUBLIC_URL: publicUrl.optional(),
    RESPONSES_WEBSOCKET: flag('true'),
    BODY_LIMIT_BYTES: integer(32 * 1024 * 1024, 1024, 1024 * 1024 * 1024),
    BODY_MEMORY_BYTES: integer(256 * 1024 * 1024, 1024 * 1024, 1024 * 1024 * 1024 * 1024),
    STORE_TIMEOUT_MS: integer(5_000, 50, 60_000),
    UPSTREAM_CONNECT_TIMEOUT_SECONDS: integer(10, 1, 300),
    UPSTREAM_JSON_TIMEOUT_SECONDS: integer(600, 1, 3_600),
    UPSTREAM_FIRST_BYTE_TIMEOUT_SECONDS: integer(60, 1, 3_600),
    UPSTREAM_IDLE_TIMEOUT_SECONDS: integer(120, 1, 3_600),
    STREAM_KEEPALIVE_SECONDS: integer(20, 1, 240),
    ACCOUNT_WAIT_SECONDS: integer(10, 0, 600),
    SOLE_ACCOUNT_RETRY_SECONDS: integer(30, 0, 600),
    CONCURRENCY_WAIT_SECONDS: integer(45, 0, 600),
    STREAM_CONCURRENCY_WAIT_SECONDS: integer(240, 0, 3_600),
    REQUEST_DEADLINE_SECONDS: integer(900, 1, 7_200),
    SESSION_RETURN_SECONDS: integer(300, 0, 86_400),
    RESERVATION_OUTPUT_TOKENS: integer(4_096, 0, 10_000_000),
    UNPRICED_MODELS: z.enum(['refuse', 'dearest']).default('refuse'),
    LEASE_SECONDS: integer(900, 1, 86_400),
    DRAIN_TIMEOUT_SECONDS: integer(30, 0, 3_600),
    KEEP_ALIVE_SECONDS: integer(75, 1, 3_600),
  })
  .refine((env) => !env.UPSTASH_REDIS_REST_URL === !env.UPSTASH_REDIS_REST_TOKEN, {
    path: ['UPSTASH_REDIS_REST_TOKEN'],
    message: 'UPSTASH_REDIS_REST_URL and UPSTASH_REDIS_REST_TOKEN must be set together',
    // By default zod would leave this out as soon as any field has a fault of its own.
    when: () => true,
  })

export type Config = z.infer<typeof Environment>

/** The names of all settings of a gateway. */
export const settingNames: readonly string[] = Object.keys(Environment.shape)

/** Thrown when settings are wrong; `message` names every fault, and never a value. */
export class ConfigError extends Error {}

/**
 * Reads the settings from `env`; an empty or blank string counts as absent.
 * @throws ConfigError that lists every wrong setting by name.
 */
export function loadConfig(env: Record<string, string | undefined>): Config {
  return parseSettings(Environment, env)
}

/** The same for any schema of settings. */
export function parseSettings<T>(schema: z.ZodType<T>, env: Record<string, string | undefined>): T {
  const present = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value?.trim() !== ''),
  )
  const parsed = schema.safeParse(present)
  if (parsed.success) return parsed.data
  const faults = parsed.error.issues.map((issue) => `  ${issue.path.join('.')}: ${issue.message}`)
  throw new ConfigError(`These settings are wrong:\n${faults.join('\n')}`)
}
