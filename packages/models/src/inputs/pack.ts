import { checkOptions, OptionError } from '@tiny/core'
import type { Task } from '../task.js'
import { int32, type Batch, type HostArray, type Layout } from './batch.js'
import { toIntegerRows, type ColumnInput, type IntegerRows, type RowsInput } from './rows.js'
import {
  countsPadding,
  readDecoderIds,
  readDecoderLabels,
  readTokenLabels,
  refuseInputs,
  rowTargets,
  shiftRight,
  spanTargets,
  tokenTargets,
  type ProblemType,
} from './targets.js'
import { packTokens, type PackedTokens, type TokenSpec } from './tokens.js'
import { ignored, requireSameShape } from './validate.js'

/** What a model is run on: transformers' names in camelCase. Arrays are copied at the call. */
export interface ModelInputs {
  /** Rows of token ids; they may be ragged. */
  readonly inputIds: RowsInput
  /** 1 for tokens, 0 for padding on either side; rows of their own length need none. */
  readonly attentionMask?: RowsInput | undefined
  readonly positionIds?: RowsInput | undefined
  readonly tokenTypeIds?: RowsInput | undefined
  /** Encoder–decoders: default the labels, moved right by one. */
  readonly decoderInputIds?: RowsInput | undefined
  /** A class (or target) for each row, or a label for each token; -100 counts for nothing. */
  readonly labels?: RowsInput | ColumnInput | undefined
  readonly startPositions?: ColumnInput | undefined
  readonly endPositions?: ColumnInput | undefined
  // What encodeBatch tells the caller about the ids, so that its result goes in as it is; no model reads it.
  readonly offsets?: unknown
  readonly sequenceIds?: unknown
  readonly overflowToSampleMapping?: unknown
}

/** What of a tokenizer's result is for its caller alone. */
export const companions = ['offsets', 'sequenceIds', 'overflowToSampleMapping']

/** What a model says about its inputs. */
export interface PackSpec {
  readonly task: Task
  readonly tokens: TokenSpec
  /** Labels to choose from: classes, or the vocabulary. */
  readonly classes: number
  readonly problemType?: ProblemType | undefined
  /** Padding that stands in rows without a mask: decoders classify a row by the last token that is none. */
  readonly lastIsNot?: number | undefined
  readonly decoder?: {
    readonly tokens: TokenSpec
    readonly startTokenId: number | undefined
    readonly padTokenId: number | undefined
  }
}

export interface Packed {
  readonly batch: Batch<HostArray>
  readonly layout: Layout
  readonly encoderLayout?: Layout
  /** Of sequence classification with labels. */
  readonly problemType?: ProblemType
  /** Whether there is something to compute a loss from. */
  readonly labelled: boolean
}

const inputNames = [
  'inputIds',
  'attentionMask',
  'positionIds',
  'tokenTypeIds',
  'decoderInputIds',
  'labels',
  'startPositions',
  'endPositions',
  ...companions,
]

/**
 * Packs a batch for a model.
 *
 * @param options `forTraining` leaves out what no loss depends on: trailing decoder positions without a label.
 * @throws OptionError, ShapeError, IndexError or DTypeError naming the input, its row and its column.
 */
export function packInputs(
  inputs: ModelInputs,
  spec: PackSpec,
  options: { forTraining?: boolean } = {},
): Packed {
  checkOptions(inputs, inputNames, 'the inputs of a model')
  if (inputs.inputIds === undefined) throw new OptionError('inputIds is missing', { input: 'inputIds' })
  const packed =
    spec.decoder === undefined
      ? packStack(inputs, spec)
      : packPair(inputs, spec, options.forTraining === true)
  return { ...packed, batch: { ...packed.batch, lastRows: lastRowsOf(packed.batch, spec.lastIsNot) } }
}

/** The last row of each sequence; with a padding id, the last that has another (its first where none has). */
function lastRowsOf({ inputIds, offsets }: Batch<HostArray>, padding: number | undefined): HostArray {
  const ends = offsets.data as Int32Array
  const rows = Array.from(ends.subarray(1), (end, s) => {
    if (padding === undefined) return end - 1
    let row = end - 1
    while (row > ends[s]! && inputIds.data[row] === padding) row--
    return row
  })
  return int32(rows, 'sequences')
}

const rowsOf = (value: RowsInput | undefined, name: string): IntegerRows | undefined =>
  value === undefined ? undefined : toIntegerRows(value, name)

function readTokens(inputs: ModelInputs, { typeVocabSize }: TokenSpec) {
  if (typeVocabSize === undefined) refuseInputs('this model', inputs, ['tokenTypeIds'])
  return {
    ids: toIntegerRows(inputs.inputIds, 'inputIds'),
    mask: rowsOf(inputs.attentionMask, 'attentionMask'),
    positionIds: rowsOf(inputs.positionIds, 'positionIds'),
    tokenTypeIds: rowsOf(inputs.tokenTypeIds, 'tokenTypeIds'),
  }
}

/** An encoder's or a decoder's batch. */
function packStack(inputs: ModelInputs, spec: PackSpec): Packed {
  const { task } = spec
  refuseInputs(`AutoModelFor${task}`, inputs, ['decoderInputIds'])
  const spans = task === 'QuestionAnswering'
  refuseInputs(task, inputs, spans ? ['labels'] : ['startPositions', 'endPositions'])
  const rows = readTokens(inputs, spec.tokens)
  const { labels, startPositions, endPositions } = inputs

  if (spans) {
    if ((startPositions === undefined) !== (endPositions === undefined)) {
      throw new OptionError('startPositions and endPositions belong together', { input: 'startPositions' })
    }
    // Every column is a candidate in transformers' loss, padding included.
    const tokens = packTokens(rows, spec.tokens, {
      computePadding: startPositions !== undefined && hasPadding(rows.mask),
    })
    if (startPositions === undefined) return { ...plain(tokens), labelled: false }
    const targets = spanTargets(startPositions, endPositions!, rows.ids, tokens)
    return { ...plain(tokens, targets), labelled: true }
  }
  if (labels === undefined) return { ...plain(packTokens(rows, spec.tokens)), labelled: false }
  if (task === 'SequenceClassification') {
    const tokens = packTokens(rows, spec.tokens)
    const { targets, problemType } = rowTargets(labels, rows.ids.rows.length, spec.classes, spec.problemType)
    return { ...plain(tokens, targets), problemType, labelled: true }
  }
  if (task === 'Base') refuseInputs('AutoModel', inputs, ['labels'])
  const shift = task === 'CausalLM'
  const tokenLabels = readTokenLabels(labels as RowsInput, rows.ids, spec.classes)
  const tokens = packTokens(rows, spec.tokens, {
    computePadding: countsPadding(tokenLabels, rows.mask, shift),
  })
  return { ...plain(tokens, tokenTargets(tokenLabels, tokens, shift)), labelled: true }
}

/** An encoder–decoder's batch: the decoder's tokens, with the encoder's inside. */
function packPair(inputs: ModelInputs, spec: PackSpec, forTraining: boolean): Packed {
  const { task, decoder } = spec
  refuseInputs(task, inputs, ['startPositions', 'endPositions', ...(task === 'Base' ? ['labels'] : [])])
  const encoder = packTokens(readTokens(inputs, spec.tokens), spec.tokens, {
    sizes: { tokens: 'encoderTokens' },
  })
  const { vocabSize } = decoder!.tokens
  const count = encoder.layout.rows
  let labels =
    inputs.labels === undefined ? undefined : readDecoderLabels(inputs.labels as RowsInput, count, vocabSize)
  if (labels !== undefined && forTraining && inputs.decoderInputIds === undefined)
    labels = withoutTail(labels)
  const given =
    inputs.decoderInputIds === undefined
      ? undefined
      : readDecoderIds(inputs.decoderInputIds, count, vocabSize)
  const ids =
    given ??
    (labels === undefined ? undefined : shiftRight(labels, decoder!.startTokenId, decoder!.padTokenId))
  if (ids === undefined) {
    throw new OptionError(
      'an encoder–decoder needs decoderInputIds, or labels to make them from; generate() makes its own',
      {
        input: 'decoderInputIds',
      },
    )
  }
  const tokens = packTokens({ ids }, decoder!.tokens)
  if (labels !== undefined) requireSameShape(ids, labels)
  const targets = labels === undefined ? {} : tokenTargets(labels, tokens, false)
  const { batch, layout } = plain(tokens, targets)
  return {
    batch: { ...batch, encoder: encoder.batch },
    layout,
    encoderLayout: encoder.layout,
    labelled: labels !== undefined,
  }
}

const plain = ({ batch, layout }: PackedTokens, targets: Partial<Batch<HostArray>> = {}) => ({
  batch: { ...batch, ...targets },
  layout,
})

const hasPadding = (mask: IntegerRows | undefined) => mask?.rows.some((row) => row.includes(0)) === true

/** Rows without their trailing -100; one column stays. */
function withoutTail(labels: IntegerRows): IntegerRows {
  const rows = labels.rows.map((row) => {
    let end = row.length
    while (end > 1 && row[end - 1] === ignored) end--
    return row.subarray(0, end)
  })
  const columns = rows[0]?.length
  return { ...labels, rows, columns: rows.every((row) => row.length === columns) ? columns : undefined }
}
