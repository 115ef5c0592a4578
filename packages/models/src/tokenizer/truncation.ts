import { OptionError } from '@tiny/core'

export type TruncationStrategy = 'longest_first' | 'only_first' | 'only_second'
export type TruncationSide = 'left' | 'right'

export interface Truncation {
  readonly strategy: TruncationStrategy
  /** Tokens in a row at most, special tokens included. */
  readonly maxLength: number
  readonly side: TruncationSide
  /** Tokens that neighbouring rows share. Where it is given, what does not fit becomes further rows. */
  readonly stride?: number | undefined
}

/** `null` for a special token that the post-processor placed, else which of the two texts a token comes from. */
export type SequenceId = 0 | 1 | null

interface Range {
  readonly start: number
  readonly end: number
}

/**
 * Cuts a row that the post-processor has already completed, and returns the positions each resulting row keeps.
 *
 * Special tokens stay and the two texts are cut between them, which gives the rows that Hugging Face's fast
 * tokenizers build by cutting first: the place left to the texts, the shares of a pair, the order of overflowing rows
 * are those of `truncate_encodings` and `Encoding::merge` in tokenizers.
 *
 * @throws OptionError where the special tokens alone do not fit, the stride leaves no way forward, or the text that
 *   the strategy names is too short to make the row fit.
 */
export function truncate(sequenceIds: readonly SequenceId[], truncation: Truncation): number[][] {
  const lengths = [0, 0]
  let special = 0
  for (const id of sequenceIds) {
    if (id === null) special++
    else lengths[id]!++
  }
  const [first, second] = lengths as [number, number]
  if (sequenceIds.length <= truncation.maxLength) return [sequenceIds.map((_, i) => i)]

  const place = truncation.maxLength - special
  if (place < 0) {
    throw new OptionError(
      `maxLength ${truncation.maxLength} has no place for the ${special} special tokens of a row`,
      {
        option: 'maxLength',
        maxLength: truncation.maxLength,
        specialTokens: special,
      },
    )
  }
  const [keptFirst, keptSecond] = shares(first, second, place, truncation)
  const firstParts = parts(first, keptFirst, truncation)
  const secondParts = parts(second, keptSecond, truncation)

  // A first, then every further part of A with every part of B, then the first part of A with the further ones of B.
  const rows: [Range, Range][] = [[firstParts[0]!, secondParts[0]!]]
  if (truncation.stride !== undefined) {
    for (const a of firstParts.slice(1)) for (const b of secondParts) rows.push([a, b])
    for (const b of secondParts.slice(1)) rows.push([firstParts[0]!, b])
  }
  return rows.map((ranges) => positionsOf(sequenceIds, ranges))
}

function shares(first: number, second: number, place: number, truncation: Truncation): [number, number] {
  const excess = first + second - place
  switch (truncation.strategy) {
    case 'only_first':
      return [remaining('first', first, excess, truncation), second]
    case 'only_second':
      return [first, remaining('second', second, excess, truncation)]
    case 'longest_first': {
      const short = Math.min(first, second)
      let long = short > place ? short : Math.max(short, place - short)
      let kept = short
      if (kept + long > place) {
        kept = Math.floor(place / 2)
        long = kept + (place % 2)
      }
      // Where both are equally long, the second counts as the longer one.
      return first > second ? [long, kept] : [kept, long]
    }
  }
}

function remaining(which: string, length: number, excess: number, truncation: Truncation): number {
  if (length > excess) return length - excess
  throw new OptionError(
    `truncation '${truncation.strategy}' cannot make a row fit maxLength ${truncation.maxLength}: the ${which} text has ` +
      `${length} tokens and ${excess} would have to go; raise maxLength or use 'longest_first'`,
    { option: 'truncation', strategy: truncation.strategy, maxLength: truncation.maxLength, length, excess },
  )
}

function parts(length: number, kept: number, { stride, side, maxLength }: Truncation): Range[] {
  if (kept >= length) return [{ start: 0, end: length }]
  if (stride === undefined) {
    return [side === 'right' ? { start: 0, end: kept } : { start: length - kept, end: length }]
  }
  if (stride >= kept) {
    throw new OptionError(
      `stride ${stride} must be smaller than the ${kept} tokens of text that a row of maxLength ${maxLength} can hold`,
      { option: 'stride', stride, maxLength, place: kept },
    )
  }
  const ranges: Range[] = []
  const step = kept - stride
  if (side === 'right') {
    for (let start = 0; ; start += step) {
      const end = Math.min(start + kept, length)
      ranges.push({ start, end })
      if (end === length) return ranges
    }
  }
  for (let end = length; ; end -= step) {
    const start = Math.max(end - kept, 0)
    ranges.push({ start, end })
    if (start === 0) return ranges
  }
}

function positionsOf(sequenceIds: readonly SequenceId[], ranges: readonly [Range, Range]): number[] {
  const seen = [0, 0]
  const positions: number[] = []
  sequenceIds.forEach((id, position) => {
    if (id !== null) {
      const index = seen[id]!++
      const { start, end } = ranges[id]
      if (index < start || index >= end) return
    }
    positions.push(position)
  })
  return positions
}
