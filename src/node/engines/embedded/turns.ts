/** Turns: what is changed in one turn of the event loop has one commit, which all of it waits for. */

export interface Turns {
  /** Begins a turn where none is open: something has changed. */
  begin(): void
  /** Resolves when what was changed so far is on disk; rejects when it was discarded. */
  committed(): Promise<void> | undefined
  /** Discards what was changed in this turn, and rejects all that waits for it. */
  fail(error: unknown): void
  /** Commits now what waits for its commit. */
  end(): void
}

/**
 * @param commit writes what has changed. @param discard makes memory what is on disk: what a disk has
 * refused must not be read.
 */
export function createTurns(commit: () => void, discard: () => void): Turns {
  let open: PromiseWithResolvers<void> | undefined

  function fail(error: unknown) {
    discard()
    open?.reject(error)
    open = undefined
  }

  function end() {
    if (open === undefined) return
    try {
      commit()
    } catch (error) {
      fail(error)
      return
    }
    open.resolve()
    open = undefined
  }

  return {
    begin() {
      if (open !== undefined) return
      open = Promise.withResolvers()
      // Those that have written await it; without any, a rejection must not count as unhandled.
      open.promise.catch(() => undefined)
      setImmediate(end)
    },
    committed: () => open?.promise,
    fail,
    end,
  }
}
