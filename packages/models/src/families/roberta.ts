// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { GenerativeModel } from '../generation/generative-model.js'
import { PreTrainedModel } from '../model.js'

export type { RobertaConfig } from '../encoder/roberta.js'

export const RobertaModel = new ModelClass('Base', PreTrainedModel, 'roberta')
export const RobertaForMaskedLM = new ModelClass('MaskedLM', PreTrainedModel, 'roberta')
export const RobertaForCausalLM = new ModelClass('CausalLM', GenerativeModel, 'roberta')
export const RobertaForSequenceClassification = new ModelClass(
  'SequenceClassification',
  PreTrainedModel,
  'roberta',
)
export const RobertaForTokenClassification = new ModelClass('TokenClassification', PreTrainedModel, 'roberta')
export const RobertaForQuestionAnswering = new ModelClass('QuestionAnswering', PreTrainedModel, 'roberta')
export const RobertaForMultipleChoice = new ModelClass('MultipleChoice', PreTrainedModel, 'roberta')
