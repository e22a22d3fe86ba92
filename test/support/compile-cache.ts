/** Where the processes that tests start keep compiled modules: each would compile them all again. */
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const compileCache = join(tmpdir(), 'gateway-compile-cache')
