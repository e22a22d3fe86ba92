/** The part of the Workers runtime that the Worker host uses. */
declare module 'cloudflare:workers' {
  /** Keeps the current request's context alive until `promise` settles. */
  export function waitUntil(promise: Promise<unknown>): void
}

/** A WebSocket of workerd; it must be accepted before it is used. */
declare interface WorkerSocket {
  accept(): void
  send(data: string): void
  close(code?: number, reason?: string): void
  addEventListener(type: 'message' | 'close' | 'error', listener: (event: object) => void): void
}

/** Two sockets that are connected: one for the client, one for the Worker. */
declare class WebSocketPair {
  0: WorkerSocket
  1: WorkerSocket
}
