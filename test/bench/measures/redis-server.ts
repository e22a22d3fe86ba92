/** What a redis-server has done, by its own account. */
import { Redis } from 'ioredis'

export interface Usage {
  cpuMicroseconds: number
  /** Commands that clients and scripts have called, without those that ask for this. */
  commands: number
}

/** Connects to a redis-server, to ask what it has used since it was started. */
export function watchRedis(url: string) {
  const redis = new Redis(url)
  return {
    async usage(): Promise<Usage> {
      const cpu = await redis.info('cpu')
      const stats = await redis.info('commandstats')
      const seconds = [...cpu.matchAll(/^used_cpu_(?:user|sys):([\d.]+)/gm)]
      const calls = [...stats.matchAll(/^cmdstat_(\S+?):calls=(\d+)/gm)]
      return {
        cpuMicroseconds: 1e6 * sum(seconds.map(([, value]) => Number(value))),
        commands: sum(calls.map(([, name, count]) => (name === 'info' ? 0 : Number(count)))),
      }
    },
    close: () => redis.disconnect(),
  }
}

const sum = (values: number[]) => values.reduce((total, value) => total + value, 0)
