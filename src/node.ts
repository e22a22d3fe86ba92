/** Entry of the Node host. */
import { startNode } from './node/host.ts'

// Whatever the gateway writes is for its owner only.
process.umask(0o077)

// Lines of one turn of the event loop go out in one write.
let lines = ''
const flush = () => {
  process.stdout.write(lines)
  lines = ''
}
const print = (line: string) => {
  if (lines === '') setImmediate(flush)
  lines += `${line}\n`
}
process.on('exit', () => {
  if (lines !== '') flush()
})

const say = (text: string) => process.stderr.write(`${text}\n`)

try {
  const host = await startNode(process.env, print, say)
  let stopping = false
  const stop = async () => {
    // A second signal means now.
    if (stopping) process.exit(1)
    stopping = true
    await host.close()
    process.exit(0)
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
} catch (error) {
  say(error instanceof Error ? error.message : String(error))
  process.exit(1)
}
