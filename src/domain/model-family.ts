/** Families of models that vendors limit separately: one may be exhausted while another serves. */

export const modelFamilies = ['opus', 'sonnet', 'haiku', 'other'] as const
export type ModelFamily = (typeof modelFamilies)[number]

/** The family that a model's name tells; `other` where it tells none. */
export function modelFamily(model: string): ModelFamily {
  const name = model.toLowerCase()
  return modelFamilies.find((family) => name.includes(family)) ?? 'other'
}
