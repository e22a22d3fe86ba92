/** The shape in which lists are read: page by page, by cursor. */

/** One page of a list; `nextCursor` is null on the last one. */
export interface Page<T> {
  data: T[]
  nextCursor: string | null
}

/** Where a page begins (the last id of the one before) and how much it holds at most. */
export interface PageRequest {
  cursor: string | undefined
  limit: number
}
