/** Raw commands with the replies that every engine must give to them. */
import { expect } from 'vitest'
import type { Engine } from '../../src/store/redis.ts'

/** An engine under test. */
export interface Opened {
  engine: Engine
  /** Removes all data. */
  reset(): Promise<void>
  close(): Promise<void>
}

/** Hands the engine of the running test to a part of the contract. */
export type Use = () => Engine

/** One command, words split at blanks unless they are given one by one, and its answer. */
export type Step = [command: string | (string | number | boolean)[], answer: unknown]

class Refusal {
  readonly error: string | RegExp
  constructor(error: string | RegExp) {
    this.error = error
  }
}

/** The expectation of an error reply with this text. */
export const refused = (error: string | RegExp) => new Refusal(error)

export const WRONG_TYPE = refused(
  'WRONGTYPE Operation against a key holding the wrong kind of value',
)
export const NOT_INTEGER = refused('ERR value is not an integer or out of range')
export const SYNTAX = refused('ERR syntax error')
export const OVERFLOW = refused('ERR increment or decrement would overflow')

/** The expectation of a command called with the wrong number of words. */
export const arity = (name: string) =>
  refused(`ERR wrong number of arguments for '${name}' command`)

/** Sends one raw command and answers with the untouched entry. */
export function send(engine: Engine, ...body: unknown[]): Promise<Record<string, unknown>> {
  return engine.request({ body }) as Promise<Record<string, unknown>>
}

/** Sends one raw command and answers with its result; an error reply fails the test. */
export async function result(engine: Engine, ...body: unknown[]): Promise<unknown> {
  const entry = await send(engine, ...body)
  expect(entry.error).toBeUndefined()
  return entry.result
}

/** Runs the steps in order and checks each answer. */
export async function check(engine: Engine, steps: Step[]): Promise<void> {
  for (const [command, answer] of steps) {
    const words = typeof command === 'string' ? command.split(' ') : command
    const entry = await send(engine, ...words)
    if (!(answer instanceof Refusal)) {
      expect(entry, words.join(' ')).toEqual({ result: answer })
    } else if (typeof answer.error === 'string') {
      expect(entry, words.join(' ')).toEqual({ error: answer.error })
    } else {
      expect(entry.error, words.join(' ')).toMatch(answer.error)
    }
  }
}
