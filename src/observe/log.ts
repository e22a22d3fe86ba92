/** Structured JSON lines; the host says where they go. */
import type { LogFields, Logger } from '../runtime.ts'

const levels = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof levels)[number]

/** A logger that writes one JSON object a line, from `level` upwards. */
export function createLogger(
  level: LogLevel,
  write: (line: string) => void,
  now: () => number,
): Logger {
  const threshold = levels.indexOf(level)
  const at =
    (name: LogLevel) =>
    (event: string, fields: LogFields = {}) => {
      if (levels.indexOf(name) < threshold) return
      write(JSON.stringify({ time: new Date(now()).toISOString(), level: name, event, ...fields }))
    }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}
