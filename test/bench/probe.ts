/** What is preloaded into a process that is measured: it answers its parent's questions. */

/** What a process tells of itself when its parent asks. */
export interface Reading {
  /** User and system time of all its threads. */
  cpuMicroseconds: number
  /** The same of the thread that runs JavaScript. */
  mainThreadMicroseconds: number
  /** The most CPU time that passed on that thread between two turns of a timer of 1 ms, since asked. */
  longestStretchMicroseconds: number
  /** Resident memory, after a collection where one was asked for. */
  residentBytes: number
  /** Living objects and buffers of JavaScript: steadier than the pages that hold them. */
  heapBytes: number
}

/** What the parent asks: a reading, after a full collection or as things are. */
export interface Question {
  collect: boolean
  /** Whether the probe watches for long stretches from now on. */
  watch?: boolean
  /** Moves the wall clock of the process forward. */
  shiftMs?: number
}

/** Answers the questions of the parent process. */
function installProbe(): void {
  const systemNow = Date.now
  let shiftedMs = 0
  // Before the program is loaded, which may keep the function.
  Date.now = () => systemNow() + shiftedMs
  let stretches: ReturnType<typeof watchStretches> | undefined
  process.on('message', ({ collect, watch, shiftMs = 0 }: Question) => {
    if (collect) globalThis.gc?.()
    shiftedMs += shiftMs
    const cpu = process.cpuUsage()
    const main = process.threadCpuUsage()
    const { rss, heapUsed, external } = process.memoryUsage()
    const reading: Reading = {
      cpuMicroseconds: cpu.user + cpu.system,
      mainThreadMicroseconds: main.user + main.system,
      longestStretchMicroseconds: stretches?.longestMicroseconds() ?? 0,
      residentBytes: rss,
      heapBytes: heapUsed + external,
    }
    stretches?.end()
    stretches = watch ? watchStretches() : undefined
    process.send?.(reading)
  })
}

/** In CPU time and not by the clock: what other processes take of the machine does not count. */
function watchStretches() {
  const used = () => {
    const { user, system } = process.threadCpuUsage()
    return user + system
  }
  let longest = 0
  let last = used()
  const tick = () => {
    const now = used()
    longest = Math.max(longest, now - last)
    last = now
  }
  const timer = setInterval(tick, 1)
  return {
    longestMicroseconds: () => {
      tick()
      return longest
    },
    end: () => clearInterval(timer),
  }
}

if (process.send) installProbe()
