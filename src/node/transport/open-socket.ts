/** Opens WebSockets to upstreams, with the same guard of addresses as every other connection. */
import { Agent, WebSocket } from 'undici'
import { type MessageSocket, messageSocket } from '../../message-socket.ts'
import type { UpstreamRequest } from '../../runtime.ts'
import { type ConnectorOptions, createConnector } from './connector.ts'

export interface SocketOpener {
  /** Rejects when the upstream refuses, when its address may not be called, through a proxy, and on abort. */
  open(url: string, request: UpstreamRequest): Promise<MessageSocket>
  /** Ends every connection at once. */
  close(): Promise<void>
}

export function createSocketOpener(options: ConnectorOptions): SocketOpener {
  const dispatcher = new Agent({ connect: createConnector(options, { install: () => {} }) })
  return {
    open(url, { headers, signal, via }) {
      // Through a proxy a client uses HTTP, as it does where an upstream has no WebSocket.
      if (via) return Promise.reject(new Error('No WebSocket is opened through a proxy'))
      return new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason)
        const address = url.replace(/^http/, 'ws')
        const socket = new WebSocket(address, { headers: Object.fromEntries(headers), dispatcher })
        const abort = () => {
          reject(signal.reason)
          socket.close()
        }
        const fail = () => reject(new Error('The upstream opened no WebSocket'))
        signal.addEventListener('abort', abort, { once: true })
        socket.addEventListener('open', () => {
          signal.removeEventListener('abort', abort)
          resolve(opened)
        })
        const opened = messageSocket({
          send: (text) => socket.send(text),
          // It takes no other codes of its own side.
          close: () => socket.close(1000),
          addEventListener: (type, listener) =>
            socket.addEventListener(type, (event: object) => listener(event)),
          get bufferedAmount() {
            return socket.bufferedAmount
          },
        })
        socket.addEventListener('error', fail)
        socket.addEventListener('close', fail)
      })
    },
    close: () => dispatcher.destroy(),
  }
}
