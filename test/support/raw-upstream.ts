/** An upstream that answers with raw bytes, for replies that no HTTP library would send. */
import { type AddressInfo, createServer, type Socket } from 'node:net'

export interface RawUpstream {
  url: string
  /** Connections accepted so far. */
  connections: () => number
  close(): Promise<void>
}

/** Starts a TCP server that calls `answer` once for each request head (and its body). */
export async function startRawUpstream(
  answer: (socket: Socket, request: string) => void,
): Promise<RawUpstream> {
  const sockets = new Set<Socket>()
  let connections = 0
  const server = createServer((socket) => {
    connections += 1
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', (data) => answer(socket, data.toString('latin1')))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/`,
    connections: () => connections,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}
