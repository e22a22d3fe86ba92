/** The transport with answers as the web has them, which tests can read in one call. */
import { asResponse, type HttpAnswer } from '../../src/http-message.ts'
import {
  createTransport,
  type Transport,
  type TransportOptions,
} from '../../src/node/transport/transport.ts'

export interface WebTransport extends Omit<Transport, 'fetch'> {
  fetch(...request: Parameters<Transport['fetch']>): Promise<Response>
}

export function createWebTransport(options: TransportOptions): WebTransport {
  const transport = createTransport(options)
  return {
    ...transport,
    fetch: async (url, request) => webAnswer(await transport.fetch(url, request)),
  }
}

function webAnswer({ status, headers, body }: HttpAnswer): Response {
  if (!body || body instanceof Uint8Array) return asResponse({ status, headers, body })
  const reader = body.getReader()
  // Without a queue of its own, as the relay reads it.
  const stream = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await reader.read()
        if (done) controller.close()
        else controller.enqueue(value)
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  )
  return asResponse({ status, headers, body: stream })
}
