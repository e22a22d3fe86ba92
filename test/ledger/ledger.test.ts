import { describe, expect, it } from 'vitest'
import { failureReasons } from '../../src/domain/account-failure.ts'
import { histogramEndsMs } from '../../src/domain/histogram.ts'
import { failureField, histogramSum, histograms, sumFields } from '../../src/domain/sums.ts'
import { noUsage } from '../../src/domain/usage.ts'
import { orphanedSums, settledSums } from '../../src/ledger/ledger.ts'
import { packSums, unpackSums } from '../../src/store/records/sums.ts'

describe('packed sums', () => {
  const usage = { ...noUsage, inputTokens: 1, outputTokens: 2, cacheReadTokens: 3 }

  it('come back as they went in', () => {
    const sums = settledSums(usage, { costNanoUsd: 9_007_199_254_740_991 }, true)
    expect(unpackSums(packSums(sums))).toMatchObject(sums)
  })

  it('read absent text and fields that an older text lacks as zero', () => {
    expect(unpackSums(null)).toEqual(unpackSums(packSums({})))
    expect(unpackSums('4:5')).toMatchObject({ requests: 4, inputTokens: 5, unpricedRequests: 0 })
  })

  it('have a field for each reason for which an attempt can fail, and one for each range of time', () => {
    const fields: readonly string[] = sumFields
    for (const reason of failureReasons) expect(fields).toContain(failureField(reason))
    for (const ranges of Object.values(histograms)) {
      expect(ranges).toHaveLength(histogramEndsMs.length + 1)
    }
    expect(histogramSum('duration', 251)).toEqual({ duration1: 1 })
    expect(histogramSum('duration', 1e9)).toEqual({ duration11: 1 })
  })

  it('flag a request without a price, and one that nobody settled', () => {
    expect(settledSums(usage, 'unpriced', false)).toMatchObject({
      costNanoUsd: 0,
      unpricedRequests: 1,
    })
    expect(orphanedSums(5)).toMatchObject({
      requests: 1,
      costNanoUsd: 5,
      orphanedRequests: 1,
      orphanedCostNanoUsd: 5,
    })
  })
})
