import type { PreTrainedModel } from '@tiny/models'

/** "1,234,567" */
export const thousands = (value: number): string => Math.round(value).toLocaleString('en-US')

/** "12.3 %", of a share in 0…1. */
export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`

/** "2 min 05 s" */
export function minutes(seconds: number): string {
  const whole = Math.round(seconds)
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`
}

/** Numbers that a model is made of; what two layers share counts once. */
export function parameterCount(model: PreTrainedModel): number {
  let count = 0
  for (const { shape } of model.parameters()) count += shape.reduce((product, size) => product * size, 1)
  return count
}
