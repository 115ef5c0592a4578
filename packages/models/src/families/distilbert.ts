// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { PreTrainedModel } from '../model.js'

export type { DistilBertConfig } from '../encoder/distilbert.js'

export const DistilBertModel = new ModelClass('Base', PreTrainedModel, 'distilbert')
export const DistilBertForMaskedLM = new ModelClass('MaskedLM', PreTrainedModel, 'distilbert')
export const DistilBertForSequenceClassification = new ModelClass(
  'SequenceClassification',
  PreTrainedModel,
  'distilbert',
)
export const DistilBertForTokenClassification = new ModelClass(
  'TokenClassification',
  PreTrainedModel,
  'distilbert',
)
export const DistilBertForQuestionAnswering = new ModelClass(
  'QuestionAnswering',
  PreTrainedModel,
  'distilbert',
)
export const DistilBertForMultipleChoice = new ModelClass('MultipleChoice', PreTrainedModel, 'distilbert')
