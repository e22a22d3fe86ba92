/** The models of a vendor that the price list names. */
import { findProvider } from '@pydantic/genai-prices'
import type { PriceProvider } from './price.ts'

/** Of both vendors, the models that answer in text through the APIs that are relayed. */
const textModels = /^(claude-|gpt-|o\d|codex-|chatgpt-)/
const otherModels = /audio|image|realtime|transcribe|tts|search-preview|vision|instruct|^ft:|:/

/** Their ids, as the list has them. */
export function knownModels(provider: PriceProvider): string[] {
  const { models = [] } = findProvider({ providerId: provider }) ?? {}
  return models.map(({ id }) => id).filter((id) => textModels.test(id) && !otherModels.test(id))
}
