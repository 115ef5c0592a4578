import { embedding, type Initialiser, type Parameter, type Tensor } from '@tiny/core'
import type { Weights } from '../parameters/weights.js'

/** A table of rows, looked up by id. */
export class Embedding {
  readonly weight: Parameter // [rows, width]
  readonly #paddingIdx: number | undefined

  /** @param options `paddingIdx`: a row that looking up never trains, as in `nn.Embedding`. */
  constructor(
    weights: Weights,
    rows: number,
    width: number,
    options: { weight: Initialiser; paddingIdx?: number | undefined },
  ) {
    this.weight = weights.declare('weight', [rows, width], options.weight)
    const { paddingIdx } = options
    this.#paddingIdx = paddingIdx !== undefined && paddingIdx < rows ? paddingIdx : undefined
  }

  /** int32 [tokens] to float32 [tokens, width]. */
  apply(ids: Tensor): Tensor {
    return embedding(this.weight, ids, this.#paddingIdx === undefined ? {} : { paddingIdx: this.#paddingIdx })
  }
}
