import { input, type Input } from '@tiny/core'
import type { Lead } from '../blocks/mixer.js'

/**
 * Padding in front of packed prompts; undefined where nobody reads any.
 *
 * @param counts tokens of each prompt.
 * @param padding columns before each prompt's first token.
 * @param most columns of it that are read.
 */
export function leadOf(
  counts: readonly number[],
  padding: readonly number[],
  most: number,
): Lead<Input> | undefined {
  const read = padding.map((columns) => Math.min(columns, most))
  if (!read.some((columns) => columns > 0)) return undefined
  const rows: number[] = []
  const offsets = [0]
  const places: number[] = []
  counts.forEach((count, s) => {
    for (let i = 0; i < read[s]!; i++) rows.push(0)
    for (let i = 0; i < count; i++) {
      places.push(rows.length)
      rows.push(places.length)
    }
    offsets.push(rows.length)
  })
  const array = (size: string, data: readonly number[]) => input('int32', [size], Int32Array.from(data))
  return {
    rows: array('tokensAndPadding', rows),
    offsets: array('sequences + 1', offsets),
    places: array('tokens', places),
  }
}
