import type { Config } from '../config/config.js'
import type { Family } from '../family.js'
import type { Weights } from '../parameters/weights.js'
import { isHeadless, type Task } from '../task.js'
import { SequenceClassifier, TokenClassifier } from './classification.js'
import type { Head, HeadContext, MakeHead } from './head.js'
import { VocabularyHead } from './language.js'
import { MultipleChoiceHead } from './multiple-choice.js'
import type { Pool } from '../blocks/pooling.js'
import { ReplacedTokenHead, SentencePairHead, SentencePretrainingHead } from './pretraining.js'
import { QuestionAnsweringHead } from './question-answering.js'

export type { Head, HeadContext, HeadOutput, LanguageHead, LossOptions, LossSum } from './head.js'

const heads: Readonly<Record<Exclude<Task, 'Base' | 'TextEncoding'>, MakeHead>> = {
  PreTraining: (weights, context) =>
    context.family.heads.replacedTokens === undefined
      ? new SentencePretrainingHead(weights, context)
      : new ReplacedTokenHead(weights, context),
  MaskedLM: (weights, context) => new VocabularyHead(weights, context),
  CausalLM: (weights, context) => new VocabularyHead(weights, context),
  Seq2SeqLM: (weights, context) => new VocabularyHead(weights, context),
  SequenceClassification: (weights, context) => new SequenceClassifier(weights, context),
  TokenClassification: (weights, context) => new TokenClassifier(weights, context),
  QuestionAnswering: (weights, context) => new QuestionAnsweringHead(weights, context),
  MultipleChoice: (weights, context) => new MultipleChoiceHead(weights, context),
  NextSentencePrediction: (weights, context) => new SentencePairHead(weights, context),
}

/** The head of a task; undefined where it has none. */
export function makeHead(task: Task, weights: Weights, context: HeadContext): Head | undefined {
  return isHeadless(task) ? undefined : heads[task](weights.as('head'), context)
}

/** What of a sequence a task's head stands on; undefined for heads of tokens. */
export function poolOf({ heads }: Family, task: Task, config: Config): Pool | undefined {
  if (task === 'SequenceClassification') return heads.sequenceClassifier?.(config).pool
  if (task === 'MultipleChoice') return heads.multipleChoice?.(config).pool
  if (task === 'NextSentencePrediction' || task === 'PreTraining') return heads.sentencePair?.(config).pool
  return undefined
}

/** Whether a task's logits are over the vocabulary, so that its head may be the token embeddings. */
export const hasVocabulary = (family: Family, task: Task): boolean =>
  task === 'MaskedLM' ||
  task === 'CausalLM' ||
  task === 'Seq2SeqLM' ||
  (task === 'PreTraining' && family.heads.replacedTokens === undefined)
