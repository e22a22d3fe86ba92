/** A working directory in which no settings file of a developer is read: it has an empty one. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const elsewhere = join(tmpdir(), 'gateway-elsewhere')

mkdirSync(elsewhere, { recursive: true })
writeFileSync(join(elsewhere, '.dev.vars'), '')
