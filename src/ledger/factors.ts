/** What an answer names beside its counts, as factors of its price. */
import type { PriceFactors } from '../domain/usage.ts'
import type { AppliedFactors, PriceProvider } from './price-card.ts'

/** A version in a name of Anthropic, before or after the family; a date is none. */
const version = /^claude-(?:[a-z]+-)?(\d)(?:[-.](\d)(?!\d))?(?!\d)/
const hasGeography = (model: string) => {
  const found = version.exec(model)
  // From Opus 4.6 and Sonnet 4.6 on.
  return found ? Number(`${found[1]}.${found[2] ?? 0}`) >= 4.6 : model.startsWith('claude-mythos')
}

/** In percent; the tier `priority` of Anthropic is by contract, and others cost as listed. */
const tierPercents: Record<PriceProvider, ReadonlyMap<string, number>> = {
  anthropic: new Map([['batch', 50]]),
  openai: new Map([
    ['flex', 50],
    ['batch', 50],
    ['priority', 200],
  ]),
}

/** The factors of an answer of `model`, in lower case. */
export function appliedFactors(
  provider: PriceProvider,
  model: string,
  { serviceTier, speed, inferenceGeo }: PriceFactors,
): AppliedFactors {
  const percents: number[] = []
  const tier = tierPercents[provider].get(serviceTier ?? '')
  if (tier) percents.push(tier)
  const isAnthropic = provider === 'anthropic'
  if (isAnthropic && inferenceGeo === 'us' && hasGeography(model)) percents.push(110)
  return { isFast: isAnthropic && speed === 'fast', percents }
}
