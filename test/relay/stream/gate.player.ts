/** Plays a script on a real socket, while the clock of the gateway stands still. */
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises'
import type { Behaviour, Exchange } from '../../support/upstream.ts'
import type { Script } from './gate.scripts.ts'

/** Time passes when a script says so, so that nothing ever times out by chance. */
export interface Clock {
  now: () => number
  pass: (ms: number) => void
}

export function createClock(): Clock {
  let nowMs = Date.now()
  return {
    now: () => nowMs,
    pass: (ms) => {
      nowMs += ms
    },
  }
}

/** How long an upstream that waits does, in real time. */
export const waitMs = 15

/** Behaves as `script` says. A stall lasts `patienceMs` by the clock, which is the gateway's limit. */
export const play =
  (script: Script, clock: Clock, patienceMs: number): Behaviour =>
  async (exchange) => {
    const { response, over, spoil } = exchange
    spoil()
    const wait = () => delay(waitMs, undefined, { signal: over })
    if (script.wait === 'before headers') await wait()
    const head = headOf(script)
    if (head) response.writeHead(...head).flushHeaders()
    if (script.wait === 'before the body') await wait()
    const sent = script.body.subarray(0, script.sent)
    for (let from = 0, i = 0; from < sent.length; i++) {
      const size = script.pieces[i % script.pieces.length] ?? sent.length
      response.write(sent.subarray(from, from + size))
      from += size
      if (script.isSlow) await turn()
    }
    if (script.end === 'finish') return void response.end()
    await arrival(exchange)
    if (script.end !== 'stall') return exchange.cut(script.end === 'reset' ? 'reset' : 'end')
    for (;;) {
      clock.pass(patienceMs)
      await delay(500, undefined, { signal: over })
    }
  }

function headOf({ answer, body, sent, end }: Script): [number, Record<string, string>] | undefined {
  if (answer.kind === 'none') return undefined
  if (answer.kind === 'stream') return [200, { 'content-type': answer.type }]
  const { status, type } = answer.document
  const length = String(end === 'finish' ? sent : body.length + 1)
  const isDeclared = answer.isLengthDeclared
  return [status, { 'content-type': type, ...(isDeclared && { 'content-length': length }) }]
}

/** Returns when the gateway has read what was written: over loopback that is a few turns later. */
async function arrival({ response }: Exchange): Promise<void> {
  if (response.headersSent) await new Promise((resolve) => response.write('', resolve))
  for (let turns = 0; turns < 10; turns++) await turn()
}
