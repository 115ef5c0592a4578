import type { HostTensor } from '@tiny/core'
import type { Layout, Batch, HostArray } from '../inputs/batch.js'
import { keyColumnsOf, scatterWeights, type KeyColumns } from './spread.js'

/** A result in JavaScript's memory, row-major. Never holds BigInt. */
export interface OutputArray {
  readonly shape: number[]
  readonly data: Float32Array
  /** Tokens in each row, where rows were ragged; zeros follow them. */
  readonly lengths?: number[]
}

/** What `run` gives, under transformers' names in camelCase; what was not asked for is absent. */
export interface ModelOutput {
  loss?: number
  /**
   * [rows, columns, vocabulary or labels], [rows, labels] where a row has one answer, [rows, columns] of a
   * discriminator, or [examples, choices].
   */
  logits?: OutputArray
  startLogits?: OutputArray // [rows, columns]
  endLogits?: OutputArray
  predictionLogits?: OutputArray // [rows, columns, vocabulary], of pretraining
  seqRelationshipLogits?: OutputArray // [rows, 2]
  sopLogits?: OutputArray // [rows, labels]
  lastHiddenState?: OutputArray // [rows, columns, width]
  poolerOutput?: OutputArray // [rows, width]
  /** The embeddings, then what follows each layer. */
  hiddenStates?: OutputArray[]
  attentions?: OutputArray[] // [rows, heads, columns, columns]
  /** Of each layer that has a router; zeros at padding that no loss looked at. */
  routerLogits?: OutputArray[] // [rows * columns, experts]
  /** What balances experts, of which the loss has `router_aux_loss_coef` times. */
  auxLoss?: number
  encoderLastHiddenState?: OutputArray
  encoderHiddenStates?: OutputArray[]
  encoderAttentions?: OutputArray[]
  decoderHiddenStates?: OutputArray[]
  decoderAttentions?: OutputArray[]
  crossAttentions?: OutputArray[] // [rows, heads, columns, encoder columns]
}

/** Turns what native code delivered into the rectangle that the caller sees. */
export class Presenter {
  readonly #layout: Layout
  readonly #keys: () => KeyColumns
  readonly #moved: boolean

  constructor(layout: Layout, batch: Batch<HostArray>) {
    this.#layout = layout
    this.#moved = layout.kind === 'scattered' || batch.padding !== undefined
    this.#keys = () => (batch.padding === undefined ? keyColumnsOf(layout) : paddedKeys(batch.padding))
  }

  /** Rows of tokens; a width of one is no dimension where `flat`. */
  tokens({ shape, data }: HostTensor, flat = false): OutputArray {
    const { rows, columns, lengths } = this.#layout
    const width = shape.at(-1)!
    return {
      shape: flat ? [rows, columns] : [rows, columns, width],
      data: data as Float32Array,
      ...(lengths === undefined ? {} : { lengths: [...lengths] }),
    }
  }

  /** The same rows without the dimension of columns. */
  flatTokens(tensor: HostTensor): OutputArray {
    const { rows, columns } = this.#layout
    return { ...this.tokens(tensor), shape: [rows * columns, tensor.shape.at(-1)!] }
  }

  /** One row each. */
  sequences({ shape, data }: HostTensor, ...shapeOfRow: number[]): OutputArray {
    const width = shapeOfRow.length > 0 ? shapeOfRow : shape.slice(1)
    return { shape: [this.#layout.rows, ...width], data: data as Float32Array }
  }

  /** One row for each example, of its choices' numbers. */
  examples({ data }: HostTensor, choices: number): OutputArray {
    return { shape: [this.#layout.rows / choices, choices], data: data as Float32Array }
  }

  /** Attention weights of these queries over `keys`. */
  weights(weights: HostTensor, keys: Presenter = this): OutputArray {
    const given = { shape: weights.shape, data: weights.data as Float32Array }
    const data = this.#moved || keys.#moved ? scatterWeights(given, this.#layout, keys.#keys()) : given.data
    const { lengths } = this.#layout
    return { shape: given.shape, data, ...(lengths === undefined ? {} : { lengths: [...lengths] }) }
  }
}

function paddedKeys({ keyOffsets, keyColumns }: NonNullable<Batch<HostArray>['padding']>): KeyColumns {
  const ends = keyOffsets.data as Int32Array
  return Array.from({ length: ends.length - 1 }, (_, s) => [
    ...(keyColumns.data as Int32Array).subarray(ends[s], ends[s + 1]),
  ])
}
