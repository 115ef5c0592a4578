// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { PreTrainedModel } from '../model.js'

export type { ModernBertConfig } from '../encoder/modernbert.js'

export const ModernBertModel = new ModelClass('Base', PreTrainedModel, 'modernbert')
export const ModernBertForMaskedLM = new ModelClass('MaskedLM', PreTrainedModel, 'modernbert')
export const ModernBertForSequenceClassification = new ModelClass(
  'SequenceClassification',
  PreTrainedModel,
  'modernbert',
)
export const ModernBertForTokenClassification = new ModelClass(
  'TokenClassification',
  PreTrainedModel,
  'modernbert',
)
export const ModernBertForQuestionAnswering = new ModelClass(
  'QuestionAnswering',
  PreTrainedModel,
  'modernbert',
)
export const ModernBertForMultipleChoice = new ModelClass('MultipleChoice', PreTrainedModel, 'modernbert')
