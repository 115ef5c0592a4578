import { checkOptions, OptionError, ShapeError } from '@tiny/core'
import type { SentencePairOptions, Shift } from '../family.js'
import { poolsPadding, type Pool } from '../blocks/pooling.js'
import type { Task } from '../task.js'
import { hasPadding, int32, reachOf, type Batch, type HostArray, type Layout } from './batch.js'
import { flattenChoices } from './choices.js'
import {
  toIntegerRows,
  type ChoicesInput,
  type ColumnInput,
  type IntegerRows,
  type RowsInput,
} from './rows.js'
import {
  countsPadding,
  readDecoderIds,
  readDecoderLabels,
  refuseInputs,
  shiftRight,
  tokenTargets,
  type ProblemType,
} from './targets.js'
import { readTargets, type Targets } from './task-targets.js'
import { packTokens, paddingIsRead, type PackedTokens, type TokenSpec } from './tokens.js'
import { ignored, requireSameShape } from './validate.js'

/** What a model is run on: transformers' names in camelCase. Arrays are copied at the call. */
export interface ModelInputs {
  /** Rows of token ids; they may be ragged. Of multiple choice: rows for each choice of each example. */
  readonly inputIds: RowsInput | ChoicesInput
  /** 1 for tokens, 0 for padding on either side; rows of their own length need none. */
  readonly attentionMask?: RowsInput | ChoicesInput | undefined
  readonly positionIds?: RowsInput | ChoicesInput | undefined
  readonly tokenTypeIds?: RowsInput | ChoicesInput | undefined
  /** Encoder–decoders: default the labels, moved right by one. */
  readonly decoderInputIds?: RowsInput | undefined
  /** 1 for the decoder's tokens, 0 for its padding; without one all are tokens, as in transformers. */
  readonly decoderAttentionMask?: RowsInput | undefined
  /** A class (or target) for each row, or a label for each token; -100 counts for nothing. */
  readonly labels?: RowsInput | ColumnInput | undefined
  readonly startPositions?: ColumnInput | undefined
  readonly endPositions?: ColumnInput | undefined
  /** BERT's pretraining: 0 where the second sentence follows the first, 1 where it does not. */
  readonly nextSentenceLabel?: ColumnInput | undefined
  /** ALBERT's: 0 where two sentences stand in their order, 1 where they are swapped. */
  readonly sentenceOrderLabel?: ColumnInput | undefined
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
  /** Whether rotary frequencies depend on how far rows reach. */
  readonly reaches?: boolean | undefined
  /** Labels to choose from: classes, or the vocabulary. */
  readonly classes: number
  readonly problemType?: ProblemType | undefined
  /** What a head of whole sequences stands on. */
  readonly pool?: Pool | undefined
  /** 'last' looks for the last id that is not this one. */
  readonly padTokenId?: number | undefined
  /** 'eos' looks for the last of these. */
  readonly eosTokenId?: number | readonly number[] | undefined
  /** Of pairs of sentences: what pretraining calls their label, and how many classes it has. */
  readonly sentencePair?: Pick<SentencePairOptions, 'label' | 'classes'> | undefined
  /** Whether a causal language model's labels stand at their own tokens. */
  readonly ownLabels?: boolean | undefined
  readonly decoder?: DecoderSpec
}

export interface DecoderSpec {
  readonly tokens: TokenSpec
  readonly shift: Shift
  readonly startTokenId: number | undefined
  readonly padTokenId: number | undefined
}

export interface Packed {
  readonly batch: Batch<HostArray>
  readonly layout: Layout
  readonly encoderLayout?: Layout
  /** Of sequence classification with labels. */
  readonly problemType?: ProblemType | undefined
  /** Of multiple choice: sequences of each example. */
  readonly choices?: number
  /** Whether there is something to compute a loss from. */
  readonly labelled: boolean
}

const inputNames = [
  'inputIds',
  'attentionMask',
  'positionIds',
  'tokenTypeIds',
  'decoderInputIds',
  'decoderAttentionMask',
  'labels',
  'startPositions',
  'endPositions',
  'nextSentenceLabel',
  'sentenceOrderLabel',
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
  return spec.decoder === undefined
    ? packStack(inputs, spec)
    : packPair(inputs, spec, spec.decoder, options.forTraining === true)
}

const rowsOf = (value: RowsInput | undefined, name: string): IntegerRows | undefined =>
  value === undefined ? undefined : toIntegerRows(value, name)

function readTokens(inputs: ModelInputs, { typeVocabSize, ignoresTypes = false }: TokenSpec) {
  if (typeVocabSize === undefined && !ignoresTypes) refuseInputs('this model', inputs, ['tokenTypeIds'])
  return {
    ids: toIntegerRows(inputs.inputIds as RowsInput, 'inputIds'),
    mask: rowsOf(inputs.attentionMask as RowsInput | undefined, 'attentionMask'),
    positionIds: rowsOf(inputs.positionIds as RowsInput | undefined, 'positionIds'),
    tokenTypeIds: rowsOf(inputs.tokenTypeIds as RowsInput | undefined, 'tokenTypeIds'),
  }
}

/** An encoder's or a decoder's batch. */
function packStack(inputs: ModelInputs, spec: PackSpec): Packed {
  refuseInputs(`AutoModelFor${spec.task}`, inputs, ['decoderInputIds', 'decoderAttentionMask'])
  const flat = spec.task === 'MultipleChoice' ? flattenChoices(inputs) : undefined
  const rows = readTokens(flat?.inputs ?? inputs, spec.tokens)
  const { ids, mask } = rows
  const targets = readTargets({ inputs, spec, ids, mask, choices: flat?.choices ?? 1 })
  const chosen = columnsOf(spec, ids)
  const tokens = packTokens(rows, spec.tokens, {
    computePadding:
      targets?.countsPadding === true ||
      paddingIsRead(mask, spec.tokens) ||
      looksAtPadding(spec.pool, chosen, mask),
  })
  const reach =
    spec.reaches === true && hasPadding(mask)
      ? { reach: reachOf(tokens.batch.positions.data as Int32Array, lastPosition(rows)) }
      : {}
  return {
    batch: { ...tokens.batch, ...reach, ...targets?.of(tokens), lastRows: lastRowsOf(tokens, chosen) },
    layout: tokens.layout,
    labelled: targets !== undefined,
    problemType: targets?.problemType,
    ...(flat === undefined ? {} : { choices: flat.choices }),
  }
}

/** The last position of a rectangle, padding included. */
const lastPosition = ({ ids, positionIds }: ReturnType<typeof readTokens>): number =>
  positionIds === undefined
    ? Math.max(...ids.rows.map((row) => row.length - 1))
    : Math.max(...positionIds.rows.map((row) => row.reduce((most, position) => Math.max(most, position), 0)))

/** An encoder–decoder's batch: the decoder's tokens, with the encoder's inside. */
function packPair(inputs: ModelInputs, spec: PackSpec, decoder: DecoderSpec, forTraining: boolean): Packed {
  const source = readTokens(inputs, spec.tokens)
  const encoder = packTokens(source, spec.tokens, { sizes: { tokens: 'encoderTokens' } })
  const count = encoder.layout.rows
  const { vocabSize } = decoder.tokens
  const given =
    inputs.decoderInputIds === undefined
      ? undefined
      : readDecoderIds(inputs.decoderInputIds, count, vocabSize)
  const mask = rowsOf(inputs.decoderAttentionMask, 'decoderAttentionMask')
  const pair = (ids: IntegerRows, targets: Pick<Targets, 'countsPadding' | 'of'> | undefined) => {
    const chosen = columnsOf(spec, source.ids)
    const tokens = packTokens({ ids, mask }, decoder.tokens, {
      computePadding: targets?.countsPadding === true || looksAtPadding(spec.pool, chosen, mask),
    })
    const lastRows = lastRowsOf(tokens, chosen)
    return {
      batch: { ...tokens.batch, ...targets?.of(tokens), lastRows, encoder: encoder.batch },
      layout: tokens.layout,
      encoderLayout: encoder.layout,
    }
  }

  if (spec.task !== 'Seq2SeqLM') {
    const headed = spec.task !== 'Base'
    const ids =
      given ?? (headed || decoder.shift.fromInputs ? shiftRight(source.ids, decoder) : noDecoderIds())
    if (spec.pool === 'eos') requireSameShape(source.ids, ids)
    const targets = readTargets({ inputs, spec, ids, mask, choices: 1 })
    return {
      ...pair(ids, targets),
      labelled: targets !== undefined,
      problemType: targets?.problemType,
    }
  }
  refuseInputs(spec.task, inputs, [
    'startPositions',
    'endPositions',
    'nextSentenceLabel',
    'sentenceOrderLabel',
  ])
  let labels =
    inputs.labels === undefined ? undefined : readDecoderLabels(inputs.labels as RowsInput, count, vocabSize)
  if (labels !== undefined && forTraining && given === undefined && mask === undefined)
    labels = withoutTail(labels)
  const fromInputs = decoder.shift.fromInputs ? source.ids : undefined
  const ids = given ?? shiftRight(labels ?? fromInputs ?? noDecoderIds(), decoder)
  if (labels !== undefined) requireSameShape(ids, labels)
  return {
    ...pair(
      ids,
      labels && {
        countsPadding: countsPadding(labels, mask, false),
        of: (tokens) => tokenTargets(labels, tokens, false),
      },
    ),
    labelled: labels !== undefined,
  }
}

function noDecoderIds(): never {
  throw new OptionError(
    'an encoder–decoder needs decoderInputIds, or labels to make them from; generate() makes its own',
    { input: 'decoderInputIds' },
  )
}

/**
 * The column of each row that its head stands on, found by the ids alone as transformers does; undefined for the last
 * that there is.
 */
function columnsOf({ pool, padTokenId, eosTokenId }: PackSpec, ids: IntegerRows): number[] | undefined {
  if (pool === 'last' && padTokenId !== undefined) {
    return ids.rows.map((row) =>
      Math.max(
        0,
        lastColumn(row, (id) => id !== padTokenId),
      ),
    )
  }
  // Without an id of padding transformers takes one row at a time, and its last column whatever the mask.
  if (pool === 'last' && ids.rows.length === 1) return [ids.rows[0]!.length - 1]
  if (pool !== 'eos') return undefined
  const ends = [eosTokenId ?? []].flat()
  return ids.rows.map((row, i) => {
    const column = lastColumn(row, (id) => ends.includes(id))
    if (column >= 0) return column
    throw new ShapeError(
      `inputIds: row ${i} has no end-of-sequence token (${ends.join(', ')}), which its class is read from`,
      { input: 'inputIds', row: i, eosTokenId },
    )
  })
}

/** -1 where there is none. */
const lastColumn = (row: Int32Array, is: (id: number) => boolean): number =>
  row.reduce((last, id, column) => (is(id) ? column : last), -1)

const looksAtPadding = (
  pool: Pool | undefined,
  columns: readonly number[] | undefined,
  mask: IntegerRows | undefined,
): boolean =>
  hasPadding(mask) &&
  (poolsPadding(pool, mask?.rows.some(([first]) => first === 0) === true) ||
    columns?.some((column, row) => mask?.rows[row]![column] === 0) === true)

/** The packed row of the column chosen in each sequence; the last one's unless any was. */
function lastRowsOf(tokens: PackedTokens, columns: readonly number[] | undefined): HostArray {
  const ends = tokens.batch.offsets.data as Int32Array
  const rows =
    columns?.map((column, row) => tokens.rowOf(row, column)) ?? ends.subarray(1).map((end) => end - 1)
  return int32(rows, 'sequences')
}

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
