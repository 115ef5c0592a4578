import {
  gatherRows,
  linearCrossEntropy,
  matmul,
  scale,
  UnsupportedError,
  type Parameter,
  type Tensor,
} from '@tiny/core'
import { Linear, plain } from '../blocks/linear.js'
import { LayerNorm } from '../blocks/norms.js'
import type { LanguageHeadOptions } from '../family.js'
import type { Batch } from '../inputs/batch.js'
import { zeros } from '../parameters/initialisers.js'
import type { Weights } from '../parameters/weights.js'
import type { HeadContext, HeadOutput, LanguageHead, LossOptions, LossSum } from './head.js'

/** Hidden states to the vocabulary: of masked, causal and sequence-to-sequence language models. */
export class VocabularyHead implements LanguageHead {
  readonly #weights: Weights
  readonly #options: LanguageHeadOptions
  readonly #dense: Linear | undefined
  readonly #norm: LayerNorm | undefined
  readonly #decoder: Parameter // [vocabulary, width]
  readonly #bias: Parameter | undefined

  constructor(weights: Weights, { family, config, backbone, tied }: HeadContext) {
    const options = family.heads.languageModel?.(config)
    if (options === undefined)
      throw new UnsupportedError(`${family.schema.modelType} has no language-model head yet`, {})
    const { width } = backbone
    const { transform, weight, decoder, bias } = options
    const vocabSize = family.tokens(config).vocabSize
    this.#weights = weights
    this.#options = options
    this.#bias = bias === undefined ? undefined : weights.declare(bias, [vocabSize], zeros)
    this.#dense = transform && new Linear(weights.at(transform.dense), width, width, { weight })
    this.#norm = transform && new LayerNorm(weights.at(transform.norm), width, { eps: transform.eps })
    this.#decoder = tied ?? weights.at(decoder).declare('weight', [vocabSize, width], weight)
  }

  outputs(hidden: Tensor, _batch: Batch<Tensor>, rows?: Tensor): HeadOutput[] {
    const logits = this.logits(rows === undefined ? hidden : gatherRows(hidden, rows))
    return [{ name: 'logits', per: 'token', value: logits }]
  }

  logits(hidden: Tensor): Tensor {
    return matmul(this.#transform(hidden), this.#decoder, {
      bias: this.#bias,
      transposeB: true,
      precision: this.#weights.precisionOf(this.#decoder),
    }) // [rows, vocabulary]
  }

  loss(hidden: Tensor, { labelRows, labels }: Batch<Tensor>, { labelSmoothing = 0 }: LossOptions): LossSum {
    const labelled = this.#transform(gatherRows(hidden, labelRows!)) // [labelled, width]
    const bias = this.#bias && plain(this.#bias)
    const precision = this.#weights.precisionOf(this.#decoder)
    const [lossSum, count] = linearCrossEntropy(labelled, this.#decoder, labels!, {
      bias,
      labelSmoothing,
      precision,
    })
    return { lossSum, count }
  }

  #transform(hidden: Tensor): Tensor {
    const { transform, scale: factor } = this.#options
    if (transform)
      hidden = this.#norm!.apply(this.#dense!.apply(hidden, { activation: transform.activation.fused }))
    return factor === undefined ? hidden : scale(hidden, factor)
  }
}
