/** What a list of 2,000 keys takes of the thread that serves all requests. */
import { setTimeout as delay } from 'node:timers/promises'
import { inTurns, median } from '../load.ts'
import { ask } from '../peers.ts'
import type { GatewayTarget } from '../targets.ts'

/** Each has to look at every key: what matches fits on one page. */
const queries = { sort: 'sort=name', search: 'search=MEMBER%201900', tag: 'tag=team%203' }

export interface ListCosts {
  /** The longest stretch of the first list after the start, in milliseconds of CPU time. */
  coldStretchMs: number
  /** Median CPU time of each list, in milliseconds. */
  cpuMs: Record<keyof typeof queries, number>
  /** Median over the lists of their longest stretch. */
  stretchMs: number
}

/** Lists keys of a gateway that has not listed any since it was started. */
export async function measureLists(gateway: GatewayTarget, rounds: number): Promise<ListCosts> {
  // The first request of any kind compiles the schemas of the administration.
  await gateway.call('GET', '/keys?limit=1')
  const cold = await measure(gateway, 'sort=name')
  const names = Object.keys(queries) as (keyof typeof queries)[]
  for (const name of names) await measure(gateway, queries[name])
  const results = await inTurns(names, rounds, (name) => measure(gateway, queries[name]))
  const cpuMs = (name: keyof typeof queries) =>
    median((results.get(name) ?? []).map((each) => each.cpuMs))
  return {
    coldStretchMs: cold.stretchMs,
    cpuMs: { sort: cpuMs('sort'), search: cpuMs('search'), tag: cpuMs('tag') },
    stretchMs: median([...results.values()].flat().map((each) => each.stretchMs)),
  }
}

async function measure(gateway: GatewayTarget, query: string) {
  await delay(50)
  const before = await ask(gateway.process, { collect: false, watch: true })
  await gateway.call('GET', `/keys?limit=100&${query}`)
  const after = await ask(gateway.process, { collect: false })
  return {
    cpuMs: (after.mainThreadMicroseconds - before.mainThreadMicroseconds) / 1_000,
    stretchMs: after.longestStretchMicroseconds / 1_000,
  }
}
