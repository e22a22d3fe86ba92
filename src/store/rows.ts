/** Hashes as the store answers them: a flat list of fields and values. */

/** The values by field. */
export function toFields(rows: readonly string[]): Map<string, string> {
  const fields = new Map<string, string>()
  for (let i = 0; i + 1 < rows.length; i += 2) fields.set(rows[i] ?? '', rows[i + 1] ?? '')
  return fields
}
