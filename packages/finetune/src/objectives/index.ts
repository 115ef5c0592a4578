import { UnsupportedError } from '@tiny/core'
import { causalLanguageModel } from './causal-lm.js'
import { questionAnswering, sequenceClassification, tokenClassification } from './classification.js'
import { maskedLanguageModel } from './masked-lm.js'
import type { Objective, ObjectiveContext } from './objective.js'
import { seq2seqLanguageModel } from './seq2seq-lm.js'

const objectives: Readonly<Record<string, (context: ObjectiveContext) => Objective>> = {
  MaskedLM: maskedLanguageModel,
  CausalLM: causalLanguageModel,
  Seq2SeqLM: seq2seqLanguageModel,
  SequenceClassification: sequenceClassification,
  TokenClassification: tokenClassification,
  QuestionAnswering: questionAnswering,
}

/** The objective of a task (`MaskedLM`, the end of transformers' class names). @throws UnsupportedError for others. */
export function objectiveOf(task: string, context: ObjectiveContext): Objective {
  const make = objectives[task]
  if (make !== undefined) return make(context)
  throw new UnsupportedError(
    `Trainer trains models for ${Object.keys(objectives).join(', ')}, not for '${task}'; AdamW.step takes any loss`,
    { task },
  )
}
