/** Entry of the REST bridge, through which Workers reach a store on this machine. */
import { runServer } from '../node/run-server.ts'

const say = (text: string) => void process.stdout.write(`${text}\n`)

await runServer(async (stopped) => {
  const { startBridge } = await import('../node/bridge/host.ts')
  stopped.throwIfAborted()
  return startBridge(process.env, say, stopped)
})
