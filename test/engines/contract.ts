/** The contract of the store: one suite that every engine passes, a real Redis included. */
import { afterAll, beforeAll, beforeEach, describe } from 'vitest'
import { clientContract } from './contract-client.ts'
import { hashContract } from './contract-hashes.ts'
import { keyContract } from './contract-keys.ts'
import { scriptContract } from './contract-scripts.ts'
import { sortedSetContract } from './contract-sorted-sets.ts'
import { stringContract } from './contract-strings.ts'
import type { Opened } from './steps.ts'

/** Registers the contract for an engine, which is opened once and emptied before every test. */
export function describeEngine(name: string, open: () => Promise<Opened>): void {
  describe(`the contract of the store, kept by ${name}`, () => {
    let opened: Opened | undefined
    beforeAll(async () => {
      opened = await open()
    })
    beforeEach(() => opened?.reset())
    afterAll(() => opened?.close())

    const use = () => {
      if (opened === undefined) throw new Error('The engine has not been opened')
      return opened.engine
    }
    keyContract(use)
    stringContract(use)
    hashContract(use)
    sortedSetContract(use)
    scriptContract(use)
    clientContract(use)
  })
}
