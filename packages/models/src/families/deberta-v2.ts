// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { PreTrainedModel } from '../model.js'

export type { DebertaV2Config } from '../encoder/deberta-v2.js'

export const DebertaV2Model = new ModelClass('Base', PreTrainedModel, 'deberta-v2')
export const DebertaV2ForMaskedLM = new ModelClass('MaskedLM', PreTrainedModel, 'deberta-v2')
export const DebertaV2ForSequenceClassification = new ModelClass(
  'SequenceClassification',
  PreTrainedModel,
  'deberta-v2',
)
export const DebertaV2ForTokenClassification = new ModelClass(
  'TokenClassification',
  PreTrainedModel,
  'deberta-v2',
)
export const DebertaV2ForQuestionAnswering = new ModelClass(
  'QuestionAnswering',
  PreTrainedModel,
  'deberta-v2',
)
export const DebertaV2ForMultipleChoice = new ModelClass('MultipleChoice', PreTrainedModel, 'deberta-v2')
