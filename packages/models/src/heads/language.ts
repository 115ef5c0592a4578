import {
  crossEntropy,
  gatherRows,
  linearCrossEntropy,
  matmul,
  scale,
  type Parameter,
  type Tensor,
} from '@tiny/core'
import { plain } from '../blocks/linear.js'
import { outputTokens, type LanguageHeadOptions } from '../family.js'
import type { Batch } from '../inputs/batch.js'
import { zeros } from '../parameters/initialisers.js'
import type { Weights } from '../parameters/weights.js'
import {
  requireHead,
  type HeadContext,
  type HeadOutput,
  type LanguageHead,
  type LossOptions,
  type LossSum,
} from './head.js'
import { Transform } from './transform.js'

/** Hidden states to the vocabulary: of masked, causal and sequence-to-sequence language models. */
export class VocabularyHead implements LanguageHead {
  readonly #weights: Weights
  readonly #options: LanguageHeadOptions
  readonly #vocabSize: number
  readonly #transform: Transform
  readonly #decoder: Parameter // [vocabulary, width]
  readonly #bias: Parameter | undefined // [vocabulary]
  readonly #logitsBias: Parameter | undefined // [1, vocabulary]

  constructor(weights: Weights, context: HeadContext) {
    const options = requireHead(context, 'languageModel', 'language modelling')
    const { family, config, backbone, tied } = context
    const { transform, weight, decoder, bias, logitsBias } = options
    const vocabSize = outputTokens(family, config).vocabSize
    this.#vocabSize = vocabSize
    this.#weights = weights
    this.#options = options
    this.#bias = bias === undefined ? undefined : weights.declare(bias, [vocabSize], zeros)
    this.#transform = new Transform(weights, backbone.width, transform)
    this.#decoder = tied ?? weights.at(decoder).declare('weight', [vocabSize, this.#transform.width], weight)
    // Of whole models alone: their decoder by itself has none (BartForCausalLM).
    this.#logitsBias =
      logitsBias === undefined || !('encoder' in backbone)
        ? undefined
        : weights.as('optional').buffer(logitsBias, [1, vocabSize], zeros)
  }

  outputs(hidden: Tensor, _batch: Batch<Tensor>, rows?: Tensor): HeadOutput[] {
    const logits = this.logits(rows === undefined ? hidden : gatherRows(hidden, rows))
    return [{ name: 'logits', per: 'token', value: logits }]
  }

  logits(hidden: Tensor): Tensor {
    const { softcap } = this.#options
    const logits = matmul(this.#prepared(hidden), this.#decoder, {
      bias: this.#added,
      transposeB: true,
      precision: this.#weights.precisionOf(this.#decoder),
    }) // [rows, vocabulary]
    return softcap === undefined ? logits : scale(scale(logits, 1 / softcap).tanh(), softcap)
  }

  loss(hidden: Tensor, { labelRows, labels }: Batch<Tensor>, { labelSmoothing = 0 }: LossOptions): LossSum {
    const labelled = gatherRows(hidden, labelRows!)
    // A cap lies between product and softmax: the logits of all labelled tokens are held.
    const [lossSum, count] =
      this.#options.softcap === undefined
        ? linearCrossEntropy(this.#prepared(labelled), this.#decoder, labels!, {
            bias: this.#added,
            labelSmoothing,
            precision: this.#weights.precisionOf(this.#decoder),
          })
        : crossEntropy(this.logits(labelled), labels!, { labelSmoothing })
    return { lossSum, count }
  }

  #prepared(hidden: Tensor): Tensor {
    const transformed = this.#transform.apply(hidden)
    const { scale: factor } = this.#options
    return factor === undefined ? transformed : scale(transformed, factor)
  }

  get #added(): Tensor | undefined {
    if (this.#bias !== undefined) return plain(this.#bias)
    const buffer = this.#logitsBias
    return buffer?.materialised === true ? plain(buffer).reshape([this.#vocabSize]) : undefined
  }
}
