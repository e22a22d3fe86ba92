/** A body between the connection that brings it and its one reader; cheaper than a stream of the web. */
import type { ByteRead, ByteReader, ByteStream } from '../../http-message.ts'

interface Waiting {
  resolve(read: ByteRead): void
  reject(reason: unknown): void
}

export interface ChunkQueueOptions {
  /** Called when the reader has taken so much that more may come. */
  onDrained: () => void
  /** Called when the reader drops the rest. */
  onCancel: (reason: unknown) => void
}

/** @param highWaterBytes with as many unread, `isFull` is true. */
export class ChunkQueue implements ByteStream, ByteReader {
  #highWaterBytes: number
  #options: ChunkQueueOptions
  #chunks: Uint8Array[] = []
  #bytes = 0
  #waiting: Waiting | undefined
  #end: { error: unknown } | 'closed' | undefined

  constructor(highWaterBytes: number, options: ChunkQueueOptions) {
    this.#highWaterBytes = highWaterBytes
    this.#options = options
  }

  get isFull(): boolean {
    return this.#bytes >= this.#highWaterBytes
  }

  push(chunk: Uint8Array): void {
    const waiting = this.#takeWaiting()
    if (waiting) waiting.resolve({ done: false, value: chunk })
    else {
      this.#chunks.push(chunk)
      this.#bytes += chunk.length
    }
  }

  /** No chunk follows. */
  close(): void {
    this.#end ??= 'closed'
    this.#takeWaiting()?.resolve({ done: true, value: undefined })
  }

  /** The body broke off; what was not read by now is lost. */
  fail(error: unknown): void {
    if (this.#end) return
    this.#end = { error }
    this.#drop()
    this.#takeWaiting()?.reject(error)
  }

  getReader(): ByteReader {
    return this
  }

  read(): Promise<ByteRead> {
    const value = this.#chunks.shift()
    if (value) {
      this.#bytes -= value.length
      if (!this.isFull) this.#options.onDrained()
      return Promise.resolve({ done: false, value })
    }
    if (this.#end === 'closed') return Promise.resolve({ done: true, value: undefined })
    if (this.#end) return Promise.reject(this.#end.error)
    this.#options.onDrained()
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
    })
  }

  async cancel(reason?: unknown): Promise<void> {
    const isOpen = this.#end === undefined
    this.#end ??= 'closed'
    this.#drop()
    this.#takeWaiting()?.resolve({ done: true, value: undefined })
    if (isOpen) this.#options.onCancel(reason)
  }

  #takeWaiting(): Waiting | undefined {
    const waiting = this.#waiting
    this.#waiting = undefined
    return waiting
  }

  #drop(): void {
    this.#chunks = []
    this.#bytes = 0
  }
}
