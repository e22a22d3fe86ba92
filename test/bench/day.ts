/**
 * Simulates days with faults in virtual time: `node test/bench/day.ts [days] [requests a day] [seed]`.
 * Prints what happened, and judges nothing; the suite does that with a shorter day.
 */
import type { Sums } from '../../src/domain/sums.ts'
import { attemptsInVain, excuseOf, expectedLedger, recoveries } from '../relay/day/findings.ts'
import { type Simulated, simulate } from '../relay/day/simulate.ts'
import { tableOf } from '../relay/day/table.ts'

const print = (line: string) => process.stdout.write(`${line}\n`)
const seconds = (ms: number) => `${Math.round(ms / 1000)} s`

function printFaults(simulated: Simulated): void {
  print('\nFaults: attempts in vain by the hour, and what came after the end')
  const vain = attemptsInVain(simulated)
  for (const { fault, account, restMs, waitMs, passedOver } of recoveries(simulated)) {
    const { perHour } = vain.find((one) => one.fault === fault && one.account === account) ?? {}
    const back =
      waitMs === undefined ? 'not asked before its next fault' : `asked ${seconds(waitMs)} later`
    const rivals = passedOver === 0 ? '' : `, passed over ${passedOver} times`
    const when = new Date(fault.fromMs).toISOString().slice(8, 16)
    const name = `${when} ${account}: ${fault.name}`.padEnd(46)
    print(`${name} [${perHour}], rested ${seconds(restMs)} more, ${back}${rivals}`)
  }
}

function printErrors({ seen, ...simulated }: Simulated): void {
  const errors = new Map<string, number>()
  const count = (name: string) => errors.set(name, (errors.get(name) ?? 0) + 1)
  for (const each of seen) {
    const how = each.tries === 0 ? 'first tries' : 'repeats'
    if (each.end === 'cut') count('cut after content')
    if (each.end === 'refused') count(`${excuseOf(simulated, each) ?? 'UNEXPECTED'}, ${how}`)
  }
  const first = seen.filter(({ tries }) => tries === 0).length
  print(`\nErrors that clients saw, of ${first} requests and ${seen.length - first} repeats`)
  for (const [name, found] of errors) {
    print(`${name.padEnd(46)} ${found} (${((100 * found) / first).toFixed(2)} %)`)
  }
}

const [days = 7, perDay = 7_000, seed = 1] = process.argv.slice(2).map(Number)
const simulated = await simulate({ days, perDay, seed })
for (const line of tableOf(simulated)) print(line)
printFaults(simulated)
printErrors(simulated)
const { hammered, endless, crowded, strayed, held } = simulated.watch
const violations = [hammered, endless, crowded, strayed, held].flat()
for (const violation of violations) print(`WRONG: ${violation}`)
for (const [name, expected] of Object.entries(expectedLedger(simulated).sums)) {
  const charged = simulated.rest.usage[name as keyof Sums]
  print(`${charged === expected ? 'charged as served' : 'WRONG: charged'}: ${charged} ${name}`)
}
print(`\n${simulated.watch.probes()} probes; CPU ${(process.cpuUsage().user / 1e6).toFixed(1)} s`)
