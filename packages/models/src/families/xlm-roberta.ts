// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { GenerativeModel } from '../generation/generative-model.js'
import { PreTrainedModel } from '../model.js'

export type { RobertaConfig } from '../encoder/roberta.js'

export const XLMRobertaModel = new ModelClass('Base', PreTrainedModel, 'xlm-roberta')
export const XLMRobertaForMaskedLM = new ModelClass('MaskedLM', PreTrainedModel, 'xlm-roberta')
export const XLMRobertaForCausalLM = new ModelClass('CausalLM', GenerativeModel, 'xlm-roberta')
export const XLMRobertaForSequenceClassification = new ModelClass(
  'SequenceClassification',
  PreTrainedModel,
  'xlm-roberta',
)
export const XLMRobertaForTokenClassification = new ModelClass(
  'TokenClassification',
  PreTrainedModel,
  'xlm-roberta',
)
export const XLMRobertaForQuestionAnswering = new ModelClass(
  'QuestionAnswering',
  PreTrainedModel,
  'xlm-roberta',
)
export const XLMRobertaForMultipleChoice = new ModelClass('MultipleChoice', PreTrainedModel, 'xlm-roberta')
