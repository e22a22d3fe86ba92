/** A sorted set in memory: members by score, and by their bytes where scores are equal. */

export interface Item {
  readonly member: string
  readonly score: number
}

/** Compares as the UTF-8 bytes of the texts do; UTF-16 sorts surrogates before U+E000, bytes do not. */
export function compareText(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let index = 0; index < length; index++) {
    const one = a.charCodeAt(index)
    const other = b.charCodeAt(index)
    if (one !== other) return rank(one) - rank(other)
  }
  return a.length - b.length
}

const rank = (unit: number) => (unit >= 0xd800 && unit < 0xe000 ? unit + 0x10000 : unit)

/** Equal scores are compared first: infinities have no difference. */
const order = (a: Item, b: Item) =>
  a.score === b.score ? compareText(a.member, b.member) : a.score - b.score

export class SortedSet {
  readonly items: Item[]
  readonly #scores: Map<string, number>

  constructor(items: Item[] = []) {
    this.items = items.sort(order)
    this.#scores = new Map(items.map(({ member, score }) => [member, score]))
  }

  get size(): number {
    return this.items.length
  }

  scoreOf(member: string): number | undefined {
    return this.#scores.get(member)
  }

  /** Adds the member, or moves it to another score. */
  set(member: string, score: number): void {
    const old = this.#scores.get(member)
    if (old === score) return
    if (old !== undefined) this.#cut(member, old)
    this.#scores.set(member, score)
    const item = { member, score }
    this.items.splice(
      this.firstIndex((other) => order(other, item) < 0),
      0,
      item,
    )
  }

  /** @returns whether it was a member. */
  delete(member: string): boolean {
    const score = this.#scores.get(member)
    if (score === undefined) return false
    this.#cut(member, score)
    return this.#scores.delete(member)
  }

  /** The index of the first item that is not before; those that are before must stand first. */
  firstIndex(isBefore: (item: Item) => boolean): number {
    let low = 0
    let high = this.items.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const item = this.items[middle]
      if (item !== undefined && isBefore(item)) low = middle + 1
      else high = middle
    }
    return low
  }

  #cut(member: string, score: number): void {
    const item = { member, score }
    this.items.splice(
      this.firstIndex((other) => order(other, item) < 0),
      1,
    )
  }
}
