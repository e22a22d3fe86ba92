/** What a command answers inside the engine, before it is shaped for a client or for a script. */

/** A status line such as OK, which a script sees as `{ ok = … }` and a client as a string. */
export interface Status {
  readonly ok: string
}

export type Reply = string | number | null | Status | Reply[]

/** The answer of every command that only confirms. */
export const OK: Status = { ok: 'OK' }

/** An error reply of the store: an answer to the caller, not a failure of the engine. */
export class CommandError extends Error {}

/** The reply to a command on a key of another type. */
export const wrongType = () =>
  new CommandError('WRONGTYPE Operation against a key holding the wrong kind of value')

/** The reply to an option list that cannot be parsed. */
export const syntaxError = () => new CommandError('ERR syntax error')

/** The reply to text that is not a 64-bit integer. */
export const notInteger = () => new CommandError('ERR value is not an integer or out of range')

/** The reply to a call with too few or too many arguments. */
export const wrongArity = (command: string) =>
  new CommandError(`ERR wrong number of arguments for '${command}' command`)

/** Shapes a reply as the plain value that a client receives. */
export function toResult(reply: Reply): unknown {
  if (reply === null || typeof reply !== 'object') return reply
  return Array.isArray(reply) ? reply.map(toResult) : reply.ok
}
