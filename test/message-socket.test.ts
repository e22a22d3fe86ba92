/** A host's WebSocket as the relay uses it. */
import { expect, it } from 'vitest'
import { messageSocket } from '../src/message-socket.ts'

/** A socket that, as those of workerd, throws when it is written to after it was closed here. */
function createStrictSocket() {
  const listeners = new Map<string, (event: object) => void>()
  const sent: string[] = []
  let isClosing = false
  return {
    sent,
    tell: (type: string, event: object = {}) => listeners.get(type)?.(event),
    send(text: string) {
      if (isClosing) throw new TypeError("Can't call WebSocket send() after close().")
      sent.push(text)
    },
    close() {
      isClosing = true
    },
    addEventListener(type: string, listener: (event: object) => void) {
      listeners.set(type, listener)
    },
  }
}

it('drops what is sent after it was closed here, and before the peer has closed it', () => {
  const host = createStrictSocket()
  const socket = messageSocket(host)
  socket.send('before')
  // A binary message closes it.
  host.tell('message', { data: new ArrayBuffer(1) })
  socket.send('after')
  expect(host.sent).toEqual(['before'])
})
