/** Names that are nearly those of our settings. */

/** What people write for it, where no letter is merely wrong or missing. */
const aliases = new Map([
  ['ADMIN_PASS', 'ADMIN_PASSWORD'],
  ['ADMIN_PW', 'ADMIN_PASSWORD'],
  ['ADMIN_PWD', 'ADMIN_PASSWORD'],
  ['ADMIN_USER', 'ADMIN_USERNAME'],
  ['ADMIN_NAME', 'ADMIN_USERNAME'],
  ['API_PREFIX', 'API_KEY_PREFIX'],
  ['BODY_LIMIT', 'BODY_LIMIT_BYTES'],
  ['DATA_DIRECTORY', 'DATA_DIR'],
  ['DATA_PATH', 'DATA_DIR'],
  ['ENCRYPTION_SECRET', 'ENCRYPTION_KEY'],
  ['JWT_KEY', 'JWT_SECRET'],
  ['REDIS_ADDRESS', 'REDIS_URL'],
  ['REDIS_HOST', 'REDIS_URL'],
  ['TRUST_PROXY', 'TRUST_PROXY_HEADER'],
  ['UPSTASH_REDIS_TOKEN', 'UPSTASH_REDIS_REST_TOKEN'],
  ['UPSTASH_REDIS_URL', 'UPSTASH_REDIS_REST_URL'],
  ['UPSTASH_URL', 'UPSTASH_REDIS_REST_URL'],
])

/** A name that is longer is compared with none. */
const maxLength = 64

/**
 * The setting that was probably meant by `name`: another spelling of it, an alias, or one to two
 * letters away, the fewer the shorter the name is; undefined where none is near. Takes time in the
 * lengths of the names.
 */
export function nearestSetting(name: string, known: readonly string[]): string | undefined {
  if (name.length > maxLength) return undefined
  const written = name.toUpperCase().replaceAll(/[^A-Z0-9]+/g, '_')
  const alias = aliases.get(written)
  if (alias !== undefined && known.includes(alias)) return alias
  const tolerance = written.length >= 12 ? 2 : written.length >= 4 ? 1 : 0
  return known.find(
    (setting) =>
      Math.abs(setting.length - written.length) <= tolerance &&
      distance(written, setting) <= tolerance,
  )
}

/** Letters to insert, remove, change or swap with their neighbour (optimal string alignment). */
function distance(a: string, b: string): number {
  let before: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1]
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      row.push(
        Math.min(
          (last[j] ?? 0) + 1,
          (row[j - 1] ?? 0) + 1,
          (last[j - 1] ?? 0) + (isSame ? 0 : 1),
          isSwap ? (before[j - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY,
        ),
      )
    }
    before = last
    last = row
  }
  return last[b.length] ?? 0
}
