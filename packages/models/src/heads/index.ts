import type { Weights } from '../parameters/weights.js'
import type { Task } from '../task.js'
import { SequenceClassifier, TokenClassifier } from './classification.js'
import type { Head, HeadContext, MakeHead } from './head.js'
import { VocabularyHead } from './language.js'
import { QuestionAnsweringHead } from './question-answering.js'

export type { Head, HeadContext, HeadOutput, LanguageHead, LossOptions, LossSum } from './head.js'

const heads: Readonly<Record<Exclude<Task, 'Base'>, MakeHead>> = {
  MaskedLM: (weights, context) => new VocabularyHead(weights, context),
  CausalLM: (weights, context) => new VocabularyHead(weights, context),
  Seq2SeqLM: (weights, context) => new VocabularyHead(weights, context),
  SequenceClassification: (weights, context) => new SequenceClassifier(weights, context),
  TokenClassification: (weights, context) => new TokenClassifier(weights, context),
  QuestionAnswering: (weights, context) => new QuestionAnsweringHead(weights, context),
}

/** The head of a task; undefined for the base model. */
export function makeHead(task: Task, weights: Weights, context: HeadContext): Head | undefined {
  return task === 'Base' ? undefined : heads[task](weights.as('head'), context)
}
