import { crossEntropy, full, gatherRows, logSoftmax, sum, type Tensor } from '@tiny/core'
import { drop } from '../blocks/dropout.js'
import { Linear } from '../blocks/linear.js'
import type { Backbone } from '../blocks/stack.js'
import type { SequenceHeadOptions, TokenHeadOptions } from '../family.js'
import type { Batch } from '../inputs/batch.js'
import type { Weights } from '../parameters/weights.js'
import {
  requireHead,
  type Head,
  type HeadContext,
  type HeadOutput,
  type LossOptions,
  type LossSum,
} from './head.js'
import { pool } from '../blocks/pooling.js'
import { Transform } from './transform.js'

/** Scores from hidden states, row by row: what may come before, dropout, a product. */
export class Scores {
  readonly #transform: Transform
  readonly #product: Linear
  readonly #dropout: number

  constructor(weights: Weights, width: number, outWidth: number, options: TokenHeadOptions) {
    this.#transform = new Transform(weights, width, options.transform)
    this.#product = new Linear(weights.at(options.name), this.#transform.width, outWidth, {
      weight: options.weight,
      bias: options.bias,
    })
    this.#dropout = options.dropout
  }

  /** [rows, width] to [rows, outWidth]. */
  apply(hidden: Tensor): Tensor {
    return this.#product.apply(drop(this.#transform.apply(hidden), this.#dropout))
  }
}

/** Scores of whole sequences. */
export class SequenceScores {
  readonly #options: SequenceHeadOptions
  readonly #backbone: Backbone
  readonly #scores: Scores

  constructor(weights: Weights, backbone: Backbone, outWidth: number, options: SequenceHeadOptions) {
    this.#options = options
    this.#backbone = backbone
    this.#scores = new Scores(weights, backbone.width, outWidth, options)
  }

  /** [tokens, width] to [sequences, outWidth]. */
  apply(hidden: Tensor, batch: Batch<Tensor>): Tensor {
    return this.#scores.apply(pool(this.#options.pool, this.#backbone, hidden, batch))
  }
}

/** A class, several labels or a number for each sequence. */
export class SequenceClassifier implements Head {
  readonly #scores: SequenceScores
  readonly #sharesOfClasses: boolean

  constructor(weights: Weights, context: HeadContext) {
    const options = requireHead(context, 'sequenceClassifier', 'sequence classification')
    this.#sharesOfClasses = options.sharesOfClasses === true && context.config.problemType === undefined
    this.#scores = new SequenceScores(weights, context.backbone, context.config.numLabels, options)
  }

  outputs(hidden: Tensor, batch: Batch<Tensor>): HeadOutput[] {
    return [{ name: 'logits', per: 'sequence', value: this.#scores.apply(hidden, batch) }]
  }

  loss(hidden: Tensor, batch: Batch<Tensor>, { problemType, labelSmoothing = 0 }: LossOptions): LossSum {
    const logits = this.#scores.apply(hidden, batch) // [sequences, labels]
    const labels = batch.labels!
    if (problemType === 'single_label_classification') {
      const [lossSum, count] = crossEntropy(logits, labels, { labelSmoothing })
      return { lossSum, count }
    }
    if (problemType === 'multi_label_classification' && this.#sharesOfClasses) {
      const likelihoods = logSoftmax(logits).mul(labels)
      return { lossSum: sum(likelihoods).neg(), count: sum(full([logits.dim(0)], 1)) }
    }
    const each =
      problemType === 'regression' ? logits.sub(labels).square() : binaryCrossEntropy(logits, labels)
    return { lossSum: sum(each), count: sum(full(logits.dims, 1)) }
  }
}

/** PyTorch's BCEWithLogits: max(x, 0) - x y + log(1 + exp(-|x|)), which does not overflow. */
export function binaryCrossEntropy(x: Tensor, y: Tensor): Tensor {
  const one = full([], 1)
  return x.relu().sub(x.mul(y)).add(x.abs().neg().exp().add(one).log())
}

/** A class for each token. */
export class TokenClassifier implements Head {
  readonly #scores: Scores

  constructor(weights: Weights, context: HeadContext) {
    const options = requireHead(context, 'tokenClassifier', 'token classification')
    this.#scores = new Scores(weights, context.backbone.width, context.config.numLabels, options)
  }

  outputs(hidden: Tensor, _batch: Batch<Tensor>, rows?: Tensor): HeadOutput[] {
    const chosen = rows === undefined ? hidden : gatherRows(hidden, rows)
    return [{ name: 'logits', per: 'token', value: this.#scores.apply(chosen) }]
  }

  loss(hidden: Tensor, { labelRows, labels }: Batch<Tensor>, { labelSmoothing = 0 }: LossOptions): LossSum {
    const logits = this.#scores.apply(gatherRows(hidden, labelRows!)) // [labelled, labels]
    const [lossSum, count] = crossEntropy(logits, labels!, { labelSmoothing })
    return { lossSum, count }
  }
}
