// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { PreTrainedModel } from '../model.js'

export type { AlbertConfig } from '../encoder/albert.js'

export const AlbertModel = new ModelClass('Base', PreTrainedModel, 'albert')
export const AlbertForPreTraining = new ModelClass('PreTraining', PreTrainedModel, 'albert')
export const AlbertForMaskedLM = new ModelClass('MaskedLM', PreTrainedModel, 'albert')
export const AlbertForSequenceClassification = new ModelClass(
  'SequenceClassification',
  PreTrainedModel,
  'albert',
)
export const AlbertForTokenClassification = new ModelClass('TokenClassification', PreTrainedModel, 'albert')
export const AlbertForQuestionAnswering = new ModelClass('QuestionAnswering', PreTrainedModel, 'albert')
export const AlbertForMultipleChoice = new ModelClass('MultipleChoice', PreTrainedModel, 'albert')
