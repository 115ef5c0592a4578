// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { PreTrainedModel } from '../model.js'

export type { MPNetConfig } from '../encoder/mpnet.js'

export const MPNetModel = new ModelClass('Base', PreTrainedModel, 'mpnet')
export const MPNetForMaskedLM = new ModelClass('MaskedLM', PreTrainedModel, 'mpnet')
export const MPNetForSequenceClassification = new ModelClass(
  'SequenceClassification',
  PreTrainedModel,
  'mpnet',
)
export const MPNetForTokenClassification = new ModelClass('TokenClassification', PreTrainedModel, 'mpnet')
export const MPNetForQuestionAnswering = new ModelClass('QuestionAnswering', PreTrainedModel, 'mpnet')
export const MPNetForMultipleChoice = new ModelClass('MultipleChoice', PreTrainedModel, 'mpnet')
