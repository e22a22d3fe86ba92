import { describe, expect, it } from 'vitest'
import { ChunkQueue } from '../../../src/node/transport/chunk-queue.ts'

const chunk = (text: string) => Buffer.from(text)

function queueOf(highWaterBytes = 10) {
  const seen: string[] = []
  const queue = new ChunkQueue(highWaterBytes, {
    onDrained: () => seen.push('drained'),
    onCancel: (reason) => seen.push(`cancelled ${reason}`),
  })
  return { queue, seen }
}

describe('a queue of chunks', () => {
  it('gives them in their order, before and after they are asked for, and then its end', async () => {
    const { queue } = queueOf()
    queue.push(chunk('a'))
    expect(await queue.read()).toEqual({ done: false, value: chunk('a') })
    const asked = queue.read()
    queue.push(chunk('b'))
    queue.push(chunk('c'))
    queue.close()
    expect(await asked).toEqual({ done: false, value: chunk('b') })
    expect(await queue.read()).toEqual({ done: false, value: chunk('c') })
    expect(await queue.read()).toEqual({ done: true })
    expect(await queue.read()).toEqual({ done: true })
  })

  it('is full with so many bytes unread, and says when it is not any more', async () => {
    const { queue, seen } = queueOf(4)
    queue.push(chunk('ab'))
    queue.push(chunk('cde'))
    expect(queue.isFull).toBe(true)
    expect(seen).toEqual([])
    await queue.read()
    expect(queue.isFull).toBe(false)
    expect(seen).toEqual(['drained'])
  })

  it('fails who waits and who asks later, and gives nothing of what was unread', async () => {
    const { queue, seen } = queueOf()
    const asked = queue.read()
    queue.fail(new Error('reset'))
    await expect(asked).rejects.toThrow('reset')
    const other = queueOf().queue
    other.push(chunk('a'))
    other.fail(new Error('reset'))
    await expect(other.read()).rejects.toThrow('reset')
    await queue.cancel('late')
    expect(seen).toEqual(['drained'])
  })

  it('ends for its reader when that cancels it, and says so once', async () => {
    const { queue, seen } = queueOf()
    queue.push(chunk('a'))
    await queue.cancel('enough')
    await queue.cancel('again')
    expect(await queue.read()).toEqual({ done: true })
    expect(seen).toEqual(['cancelled enough'])
  })
})
