import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createTcpEngine } from '../../src/node/engines/tcp.ts'
import { has } from '../support/lanes.ts'
import { createManualClock } from '../support/manual-clock.ts'
import { describeEngine } from './contract.ts'
import { type RedisServer, startRedisServer } from './redis-server.ts'
import { result, send } from './steps.ts'

const TIMEOUT_MS = 1_000

async function portOf(server: Server): Promise<number> {
  if (!server.listening) await once(server, 'listening')
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

const withRedis = describe.runIf(has('redis-server'))

withRedis('the TCP engine with a redis-server', () => {
  describeEngine('a real Redis over TCP', async () => {
    const server = await startRedisServer()
    const engine = createTcpEngine({ url: server.url, timeoutMs: 30_000 })
    await engine.connect()
    return {
      engine,
      reset: async () => {
        await result(engine, 'FLUSHALL')
      },
      close: async () => {
        await engine.close()
        await server.stop()
      },
    }
  })
})

describe('the TCP engine', () => {
  withRedis('when the server ends', () => {
    let server: RedisServer
    beforeAll(async () => {
      server = await startRedisServer()
    })
    afterAll(() => server.stop())

    it('rejects when its timeout is over, and works again once the server is back', async () => {
      const clock = createManualClock()
      const engine = createTcpEngine({ url: server.url, timeoutMs: TIMEOUT_MS, clock })
      expect(await result(engine, 'PING')).toBe('PONG')
      await server.kill()
      const address = `127.0.0.1:${server.port}`
      const lost = send(engine, 'SET', 'k', 'secret')
      clock.advance(TIMEOUT_MS)
      await expect(lost).rejects.toThrow(address)
      const waiting = send(engine, 'GET', 'k')
      clock.advance(TIMEOUT_MS)
      await expect(waiting).rejects.toThrow(`REDIS_URL: cannot connect to ${address}`)
      expect(clock.pending()).toBe(0)
      server = await startRedisServer(server.port)
      await expect.poll(() => send(engine, 'GET', 'k').catch(String)).toEqual({ result: null })
      await engine.close()
    })

    it('waits out an interruption that is shorter than its timeout', async () => {
      const engine = createTcpEngine({ url: server.url, timeoutMs: 30_000 })
      await result(engine, 'PING')
      await server.stop()
      const [answer, restarted] = await Promise.all([
        send(engine, 'PING'),
        startRedisServer(server.port),
      ])
      expect(answer).toEqual({ result: 'PONG' })
      server = restarted
      await engine.close()
    })
  })

  describe('with a server that takes commands and does not answer', () => {
    let received: string
    let sockets: Socket[]
    let silent: Server
    let port: number
    beforeEach(async () => {
      received = ''
      sockets = []
      silent = createServer((socket) => {
        sockets.push(socket)
        socket.on('data', (bytes) => {
          const text = bytes.toString('latin1')
          if (/info/i.test(text)) socket.write('$16\r\nredis_version:7\n\r\n')
          received += text
        })
        socket.on('error', () => undefined)
      }).listen(0, '127.0.0.1')
      port = await portOf(silent)
    })
    afterEach(() => {
      for (const socket of sockets) socket.destroy()
      silent.close()
    })

    it('waits its whole timeout, connecting included, and no longer', async () => {
      const clock = createManualClock()
      const url = `redis://127.0.0.1:${port}`
      const engine = createTcpEngine({ url, timeoutMs: 60_000, clock })
      let outcome = ''
      const asked = send(engine, 'INCR', 'n').catch((error: Error) => {
        outcome = error.message
      })
      clock.advance(10_000)
      await expect.poll(() => received, { timeout: 5_000 }).toContain('INCR')
      clock.advance(49_999)
      await delay(5)
      expect(outcome).toBe('')
      clock.advance(1)
      await asked
      expect(outcome).toBe(`REDIS_URL: no answer within 60000 ms from 127.0.0.1:${port}`)
      expect(clock.pending()).toBe(0)
      await engine.close()
    })

    it('never sends a command twice', async () => {
      const engine = createTcpEngine({ url: `redis://127.0.0.1:${port}`, timeoutMs: TIMEOUT_MS })
      await expect(send(engine, 'INCR', 'paid-once')).rejects.toThrow(`127.0.0.1:${port}`)
      // The connection may already be closing: then the command is never sent.
      const refusals: Promise<void>[] = []
      const wasSent = async () => {
        const name = `lost-${refusals.length};`
        const lost = send(engine, 'INCR', name)
        refusals.push(expect(lost).rejects.toThrow(`127.0.0.1:${port}`))
        await delay(50)
        return received.includes(name)
      }
      await expect.poll(wasSent).toBe(true)
      const connections = sockets.length
      for (const socket of sockets) socket.destroy()
      await Promise.all(refusals)
      await expect.poll(() => sockets.length).toBeGreaterThan(connections)
      await expect(send(engine, 'PING')).rejects.toThrow('REDIS_URL')
      expect(received.match(/paid-once/g)).toHaveLength(1)
      for (let index = 0; index < refusals.length; index++) {
        const times = received.split(`lost-${index};`).length - 1
        expect(times).toBeLessThanOrEqual(1)
      }

      await engine.close()
    })
  })

  describe('at start', () => {
    it('names the setting and the address when it cannot connect, never the credentials', async () => {
      const url = 'redis://someone:s3cret@127.0.0.1:1/0'
      const engine = createTcpEngine({ url, timeoutMs: TIMEOUT_MS })
      const error = await engine.connect().catch((reason: unknown) => String(reason))
      expect(error).toMatch(/REDIS_URL: cannot connect to 127\.0\.0\.1:1: .*ECONNREFUSED/)
      expect(error).not.toMatch(/someone|s3cret/)
      await engine.close()
    })

    it.runIf(has('redis-server'))('reports a wrong password', async () => {
      const server = await startRedisServer()
      const admin = createTcpEngine({ url: server.url, timeoutMs: 30_000 })
      await result(admin, 'CONFIG', 'SET', 'requirepass', 'right')
      const at = `127.0.0.1:${server.port}`
      const wrong = createTcpEngine({ url: `redis://:wrong@${at}`, timeoutMs: TIMEOUT_MS })
      const error = await wrong.connect().catch((reason: unknown) => String(reason))
      expect(error).toMatch(/REDIS_URL: cannot connect to .*WRONGPASS/)
      const right = createTcpEngine({ url: `redis://:right@${at}`, timeoutMs: 30_000 })
      expect(await result(right, 'PING')).toBe('PONG')
      await Promise.all([admin.close(), wrong.close(), right.close()])
      await server.stop()
    })

    it('refuses an address that is none, without repeating it', () => {
      for (const url of ['http://user:s3cret@host', 'redis//s3cret', '']) {
        expect(() => createTcpEngine({ url, timeoutMs: 1 })).toThrow(/^REDIS_URL: expected redis:/)
      }
    })

    it('speaks TLS to rediss addresses', async () => {
      let first: number | undefined
      const server = createServer((socket) => {
        socket.on('data', (bytes) => {
          first ??= bytes[0]
          socket.destroy()
        })
        socket.on('error', () => undefined)
      }).listen(0, '127.0.0.1')
      const port = await portOf(server)
      const engine = createTcpEngine({ url: `rediss://127.0.0.1:${port}`, timeoutMs: TIMEOUT_MS })
      await expect(engine.connect()).rejects.toThrow('REDIS_URL')
      // The first byte of a TLS handshake record.
      expect(first).toBe(0x16)
      await engine.close()
      server.close()
    })

    it('refuses commands after it has been closed', async () => {
      const engine = createTcpEngine({ url: 'redis://127.0.0.1:1', timeoutMs: TIMEOUT_MS })
      await engine.close()
      await expect(send(engine, 'PING')).rejects.toThrow('has been closed')
    })
  })
})
