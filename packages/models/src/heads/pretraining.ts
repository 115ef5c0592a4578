import { crossEntropy, full, sum, type Tensor } from '@tiny/core'
import type { SentencePairOptions } from '../family.js'
import type { Batch } from '../inputs/batch.js'
import type { Weights } from '../parameters/weights.js'
import { binaryCrossEntropy, Scores, SequenceScores } from './classification.js'
import {
  requireHead,
  type Head,
  type HeadContext,
  type HeadOutput,
  type LossOptions,
  type LossSum,
} from './head.js'
import { VocabularyHead } from './language.js'

/** Whether a second text follows the first (BERT), or which of the two comes first (ALBERT). */
export class SentencePairHead implements Head {
  readonly options: SentencePairOptions
  readonly #scores: SequenceScores

  constructor(weights: Weights, context: HeadContext) {
    this.options = requireHead(context, 'sentencePair', 'pairs of sentences')
    this.#scores = new SequenceScores(weights, context.backbone, this.options.classes, this.options)
  }

  outputs(hidden: Tensor, batch: Batch<Tensor>): HeadOutput[] {
    return [{ name: 'logits', per: 'sequence', value: this.#scores.apply(hidden, batch) }]
  }

  loss(hidden: Tensor, batch: Batch<Tensor>, { labelSmoothing = 0 }: LossOptions): LossSum {
    const logits = this.#scores.apply(hidden, batch) // [sequences, classes]
    const [lossSum, count] = crossEntropy(logits, batch.sentenceLabels!, { labelSmoothing })
    return { lossSum, count }
  }
}

/** Masked tokens and pairs of sentences at once (Devlin et al. 2019); the loss is the sum of both means. */
export class SentencePretrainingHead implements Head {
  readonly #words: VocabularyHead
  readonly #pairs: SentencePairHead

  constructor(weights: Weights, context: HeadContext) {
    this.#words = new VocabularyHead(weights, context)
    this.#pairs = new SentencePairHead(weights, context)
  }

  outputs(hidden: Tensor, batch: Batch<Tensor>): HeadOutput[] {
    const [words] = this.#words.outputs(hidden, batch)
    const [pairs] = this.#pairs.outputs(hidden, batch)
    return [
      { ...words!, name: 'predictionLogits' },
      { ...pairs!, name: this.#pairs.options.output },
    ]
  }

  loss(hidden: Tensor, batch: Batch<Tensor>, options: LossOptions): LossSum {
    const words = this.#words.loss(hidden, batch, options)
    const pairs = this.#pairs.loss(hidden, batch, options)
    const pairsAsMany = pairs.lossSum.mul(words.count).div(pairs.count)
    return { lossSum: words.lossSum.add(pairsAsMany), count: words.count }
  }
}

/** Which tokens a generator has replaced (Clark et al. 2020): a number for each token. */
export class ReplacedTokenHead implements Head {
  readonly #scores: Scores

  constructor(weights: Weights, context: HeadContext) {
    const options = requireHead(context, 'replacedTokens', 'pretraining')
    this.#scores = new Scores(weights, context.backbone.width, 1, options)
  }

  outputs(hidden: Tensor): HeadOutput[] {
    return [{ name: 'logits', per: 'tokenNumber', value: this.#scores.apply(hidden) }]
  }

  /** Over all real tokens. */
  loss(hidden: Tensor, { labels }: Batch<Tensor>): LossSum {
    const each = binaryCrossEntropy(this.#scores.apply(hidden), labels!) // [tokens, 1]
    return { lossSum: sum(each), count: sum(full(each.dims, 1)) }
  }
}
