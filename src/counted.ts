/** Numbers of things in sentences. */

/** `1 request`, `2 requests`: for nouns whose plural ends in s. */
export const counted = (count: number, noun: string): string =>
  `${count} ${noun}${count === 1 ? '' : 's'}`
