/** A process that puts settlements in bursts until it is killed, and reports each that is durable. */
import { openJournal } from '../../src/node/journal.ts'

const [, , path = '', prefix = ''] = process.argv
const journal = openJournal(path)

async function write(writer: number): Promise<void> {
  for (let step = 0; ; step++) {
    const ledgerId = `${prefix}-${writer}-${step}`
    await journal.put(ledgerId, JSON.stringify({ ledgerId, text: 'x'.repeat(800) }), step)
    // Every other one is confirmed: it need not be there any more, and may be.
    if (step % 2 === 0) process.stdout.write(`${ledgerId}\n`)
    else journal.remove(ledgerId)
  }
}

await Promise.all(Array.from({ length: 20 }, (_, writer) => write(writer)))
