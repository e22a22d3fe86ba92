/** Entry of the Node host. */
import { runServer } from './node/run-server.ts'

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

await runServer(async (stopped) => {
  const { startNode } = await import('./node/host.ts')
  stopped.throwIfAborted()
  const host = await startNode(process.env, print, say, stopped)
  return () => host.close()
})
