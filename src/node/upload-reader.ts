/** Reads the body of a request from its connection, as the relay takes it. */
import type { IncomingMessage } from 'node:http'
import type { ByteRead, ByteReader, ByteStream } from '../http-message.ts'

/** It takes nothing from the connection before it is read. */
export class UploadReader implements ByteStream, ByteReader {
  #incoming: IncomingMessage

  constructor(incoming: IncomingMessage) {
    this.#incoming = incoming
    // An error without a listener would end the process, and between two reads there is none.
    incoming.on('error', () => {})
  }

  getReader(): ByteReader {
    return this
  }

  /** @throws Error when the connection ends before the body has. */
  async read(): Promise<ByteRead> {
    const incoming = this.#incoming
    for (;;) {
      const value: Buffer | null = incoming.read()
      if (value) return { done: false, value }
      if (incoming.complete && incoming.readableLength === 0) return { done: true }
      if (incoming.destroyed) throw incoming.errored ?? new Error('The upload broke off')
      await this.#progress()
    }
  }

  async cancel(): Promise<void> {}

  /** Resolves when there is more to read, or when nothing will come any more. */
  #progress(): Promise<void> {
    const incoming = this.#incoming
    const events = ['readable', 'end', 'close', 'error'] as const
    return new Promise((resolve) => {
      const settle = () => {
        for (const event of events) incoming.off(event, settle)
        resolve()
      }
      for (const event of events) incoming.on(event, settle)
    })
  }
}
