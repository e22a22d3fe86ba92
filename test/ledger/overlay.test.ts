import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { findListed, keptListVersion } from '../../src/ledger/kept-list.ts'
import { findOverlaid, overlayRows, overlayVersion } from '../../src/ledger/overlay.ts'

const now = Date.UTC(2026, 10, 25)

describe('the overlay of the kept price list', () => {
  it('has a source and the date at which it was read for every row', () => {
    for (const row of overlayRows) {
      expect(row.source).toMatch(/^[\w.-]+\/\S+/)
      expect(row.read).toMatch(/^2026-\d\d-\d\d$/)
      expect(overlayVersion >= `overlay-${row.read}`).toBe(true)
    }
  })

  it('has no two rows for a model at one time', () => {
    for (const row of overlayRows) {
      const same = overlayRows.filter(
        (other) =>
          other !== row &&
          other.model === row.model &&
          (other.until ?? '9') > (row.from ?? '') &&
          (row.until ?? '9') > (other.from ?? ''),
      )
      expect(same).toEqual([])
    }
  })

  it('says nothing that the list says too; a row that fails here can go', () => {
    for (const { provider, model } of overlayRows) {
      const listed = findListed(provider, model, now)
      const bands = listed === 'unpriced' ? undefined : listed.card.bands
      expect(bands).not.toEqual(findOverlaid(provider, model, now)?.bands)
    }
  })

  it('names the version of the list that is installed', () => {
    const { pathname } = new URL('../package.json', import.meta.resolve('@pydantic/genai-prices'))
    expect(keptListVersion).toBe(
      `genai-prices-${JSON.parse(readFileSync(pathname, 'utf8')).version}`,
    )
  })
})
