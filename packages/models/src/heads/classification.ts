import { crossEntropy, full, gatherRows, sum, UnsupportedError, type Tensor } from '@tiny/core'
import { drop } from '../blocks/dropout.js'
import { Linear } from '../blocks/linear.js'
import type { SingleBackbone } from '../blocks/stack.js'
import type { ClassifierOptions } from '../family.js'
import type { Batch } from '../inputs/batch.js'
import type { Weights } from '../parameters/weights.js'
import type { Head, HeadContext, HeadOutput, LossOptions, LossSum } from './head.js'

/** A class, several labels or a number for each sequence. */
export class SequenceClassifier implements Head {
  readonly #classifier: Linear
  readonly #dropout: number
  readonly #pool: (hidden: Tensor, batch: Batch<Tensor>) => Tensor

  constructor(weights: Weights, { family, config, backbone }: HeadContext) {
    const options = family.heads.sequenceClassifier?.(config)
    if (options === undefined || 'encoder' in backbone)
      throw noHead(family.schema.modelType, 'sequence classification')
    this.#classifier = classifierOf(weights, backbone.width, config.numLabels, options)
    this.#dropout = options.dropout
    this.#pool =
      options.pool === 'last'
        ? (hidden, { lastRows }) => gatherRows(hidden, lastRows!)
        : (hidden, batch) => (backbone as SingleBackbone).pool!(hidden, batch)!
  }

  outputs(hidden: Tensor, batch: Batch<Tensor>): HeadOutput[] {
    return [{ name: 'logits', per: 'sequence', value: this.#logits(hidden, batch) }]
  }

  loss(hidden: Tensor, batch: Batch<Tensor>, { problemType, labelSmoothing = 0 }: LossOptions): LossSum {
    const logits = this.#logits(hidden, batch) // [sequences, labels]
    const labels = batch.labels!
    if (problemType === 'single_label_classification') {
      const [lossSum, count] = crossEntropy(logits, labels, { labelSmoothing })
      return { lossSum, count }
    }
    const each =
      problemType === 'regression' ? logits.sub(labels).square() : binaryCrossEntropy(logits, labels)
    return { lossSum: sum(each), count: sum(full(logits.dims, 1)) }
  }

  #logits(hidden: Tensor, batch: Batch<Tensor>): Tensor {
    return this.#classifier.apply(drop(this.#pool(hidden, batch), this.#dropout))
  }
}

/** PyTorch's BCEWithLogits: max(x, 0) - x y + log(1 + exp(-|x|)), which does not overflow. */
function binaryCrossEntropy(x: Tensor, y: Tensor): Tensor {
  const one = full([], 1)
  return x.relu().sub(x.mul(y)).add(x.abs().neg().exp().add(one).log())
}

/** A class for each token. */
export class TokenClassifier implements Head {
  readonly #classifier: Linear
  readonly #dropout: number

  constructor(weights: Weights, { family, config, backbone }: HeadContext) {
    const options = family.heads.tokenClassifier?.(config)
    if (options === undefined) throw noHead(family.schema.modelType, 'token classification')
    this.#classifier = classifierOf(weights, backbone.width, config.numLabels, options)
    this.#dropout = options.dropout
  }

  outputs(hidden: Tensor, _batch: Batch<Tensor>, rows?: Tensor): HeadOutput[] {
    const chosen = rows === undefined ? hidden : gatherRows(hidden, rows)
    return [{ name: 'logits', per: 'token', value: this.#logits(chosen) }]
  }

  loss(hidden: Tensor, { labelRows, labels }: Batch<Tensor>, { labelSmoothing = 0 }: LossOptions): LossSum {
    const [lossSum, count] = crossEntropy(this.#logits(gatherRows(hidden, labelRows!)), labels!, {
      labelSmoothing,
    })
    return { lossSum, count }
  }

  #logits(hidden: Tensor): Tensor {
    return this.#classifier.apply(drop(hidden, this.#dropout))
  }
}

/** A head's last product. */
export function classifierOf(
  weights: Weights,
  width: number,
  outWidth: number,
  options: ClassifierOptions,
): Linear {
  return new Linear(weights.at(options.name), width, outWidth, { weight: options.weight, bias: options.bias })
}

export const noHead = (modelType: string, task: string): UnsupportedError =>
  new UnsupportedError(`${modelType} has no head for ${task} yet`, { modelType, task })
