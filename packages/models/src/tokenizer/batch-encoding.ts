import type { Encoding } from 'tokenizers'
import { toUtf16, type Offset } from './offsets.js'
import { truncate, type SequenceId, type Truncation } from './truncation.js'

export interface BatchEncoding {
  /** Rows of their own length, never padded. */
  inputIds: number[][]
  /** Segments, where the model takes them. */
  tokenTypeIds?: number[][]
  /** With `returnOffsets`: `text.slice(start, end)` is the token, in UTF-16; [0, 0] for special tokens. */
  offsets?: Offset[][]
  /** With `returnOffsets`: which text of a pair a token comes from, null for special tokens. */
  sequenceIds?: SequenceId[][]
  /** With `stride`: the index of the text that each row was cut from. */
  overflowToSampleMapping?: number[]
}

// Characters handed to the binding at once: enough for every core, few enough that turning the result into arrays,
// which happens on the event loop, takes a few milliseconds.
const charactersAtOnce = 100_000

/** Adds a text's rows to the batch: one, or what it is cut into. */
export function append(
  batch: BatchEncoding,
  encoding: Encoding,
  sample: number,
  text: string,
  textPair: string | undefined,
  truncation: Truncation | undefined,
): void {
  const cut = truncation !== undefined && encoding.getLength() > truncation.maxLength
  const sequenceIds = cut || batch.sequenceIds !== undefined ? sequenceIdsOf(encoding) : []
  const rows = cut ? truncate(sequenceIds, truncation) : [undefined]
  const push = <T>(column: T[][] | undefined, all: () => T[]): void => {
    if (column === undefined) return
    const values = all()
    for (const positions of rows) column.push(positions?.map((position) => values[position]!) ?? values)
  }
  push(batch.inputIds, () => encoding.getIds())
  push(batch.tokenTypeIds, () => encoding.getTypeIds())
  push(batch.sequenceIds, () => sequenceIds)
  push(batch.offsets, () => offsetsOf(encoding, sequenceIds, text, textPair))
  if (batch.overflowToSampleMapping !== undefined)
    for (const _ of rows) batch.overflowToSampleMapping.push(sample)
}

export function sequenceIdsOf(encoding: Encoding): SequenceId[] {
  return encoding.getSequenceIds().map((id) => (id === 0 || id === 1 ? id : null))
}

function offsetsOf(
  encoding: Encoding,
  sequenceIds: readonly SequenceId[],
  text: string,
  textPair: string | undefined,
): Offset[] {
  const codePoints = encoding.getOffsets()
  const offsets = toUtf16(
    text,
    codePoints.map((offset, i) => (sequenceIds[i] === 1 ? [0, 0] : offset)),
  )
  if (textPair === undefined) return offsets
  const ofPair = toUtf16(
    textPair,
    codePoints.map((offset, i) => (sequenceIds[i] === 1 ? offset : [0, 0])),
  )
  return offsets.map((offset, i) => (sequenceIds[i] === 1 ? ofPair[i]! : offset))
}

/** Texts of a batch by number that are handed to the binding together. */
export function chunksOf(
  texts: readonly string[],
  textPairs: readonly string[] | undefined,
): [start: number, end: number][] {
  const chunks: [number, number][] = []
  let start = 0
  let characters = 0
  for (let i = 0; i < texts.length; i++) {
    characters += texts[i]!.length + (textPairs?.[i]!.length ?? 0)
    if (characters < charactersAtOnce && i < texts.length - 1) continue
    chunks.push([start, i + 1])
    start = i + 1
    characters = 0
  }
  return chunks
}
