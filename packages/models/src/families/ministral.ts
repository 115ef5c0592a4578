// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { GenerativeModel } from '../generation/generative-model.js'
import { PreTrainedModel } from '../model.js'

export const MinistralModel = new ModelClass('Base', PreTrainedModel, 'ministral')
export const MinistralForCausalLM = new ModelClass('CausalLM', GenerativeModel, 'ministral')
export const MinistralForSequenceClassification = new ModelClass(
  'SequenceClassification',
  PreTrainedModel,
  'ministral',
)
export const MinistralForTokenClassification = new ModelClass(
  'TokenClassification',
  PreTrainedModel,
  'ministral',
)
export const MinistralForQuestionAnswering = new ModelClass('QuestionAnswering', PreTrainedModel, 'ministral')
