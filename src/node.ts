/** Entry of the Node host. */
import { startNode } from './node/host.ts'
import { runServer } from './node/server.ts'

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

await runServer(async () => {
  const host = await startNode(process.env, print, say)
  return () => host.close()
})
