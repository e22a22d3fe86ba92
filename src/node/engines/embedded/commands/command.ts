/** The shape of an entry in a command table. */
import type { Store } from '../keyspace.ts'
import type { Reply } from '../reply.ts'

export interface Command {
  /** The number of words including the name; negative where it is a minimum, as Redis counts. */
  arity: number
  /** After a fault of the engine, what a command that writes has changed so far is discarded. */
  mode: 'none' | 'read' | 'write'
  run(store: Store, args: string[]): Reply
}

export type CommandTable = Record<string, Command>

type Run = Command['run']

/** A command that changes no data. */
export const read = (arity: number, run: Run): Command => ({ arity, mode: 'read', run })

/** A command that may change data. */
export const write = (arity: number, run: Run): Command => ({ arity, mode: 'write', run })

/** A command that needs no data at all. */
export const plain = (arity: number, run: Run): Command => ({ arity, mode: 'none', run })

/** The word at an index that exists, by the arity or another check. */
export const at = (args: string[], index: number): string => args[index] ?? ''
