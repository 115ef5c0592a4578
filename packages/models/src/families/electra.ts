// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { GenerativeModel } from '../generation/generative-model.js'
import { PreTrainedModel } from '../model.js'

export type { ElectraConfig } from '../encoder/electra.js'

export const ElectraModel = new ModelClass('Base', PreTrainedModel, 'electra')
export const ElectraForPreTraining = new ModelClass('PreTraining', PreTrainedModel, 'electra')
export const ElectraForMaskedLM = new ModelClass('MaskedLM', PreTrainedModel, 'electra')
export const ElectraForCausalLM = new ModelClass('CausalLM', GenerativeModel, 'electra')
export const ElectraForSequenceClassification = new ModelClass(
  'SequenceClassification',
  PreTrainedModel,
  'electra',
)
export const ElectraForTokenClassification = new ModelClass('TokenClassification', PreTrainedModel, 'electra')
export const ElectraForQuestionAnswering = new ModelClass('QuestionAnswering', PreTrainedModel, 'electra')
export const ElectraForMultipleChoice = new ModelClass('MultipleChoice', PreTrainedModel, 'electra')
