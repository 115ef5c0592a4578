// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { GenerativeModel } from '../generation/generative-model.js'
import { PreTrainedModel } from '../model.js'

export const MistralModel = new ModelClass('Base', PreTrainedModel, 'mistral')
export const MistralForCausalLM = new ModelClass('CausalLM', GenerativeModel, 'mistral')
export const MistralForSequenceClassification = new ModelClass(
  'SequenceClassification',
  PreTrainedModel,
  'mistral',
)
export const MistralForTokenClassification = new ModelClass('TokenClassification', PreTrainedModel, 'mistral')
export const MistralForQuestionAnswering = new ModelClass('QuestionAnswering', PreTrainedModel, 'mistral')
