// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { GenerativeModel } from '../generation/generative-model.js'
import { PreTrainedModel } from '../model.js'

export const LlamaModel = new ModelClass('Base', PreTrainedModel, 'llama')
export const LlamaForCausalLM = new ModelClass('CausalLM', GenerativeModel, 'llama')
export const LlamaForSequenceClassification = new ModelClass(
  'SequenceClassification',
  PreTrainedModel,
  'llama',
)
export const LlamaForTokenClassification = new ModelClass('TokenClassification', PreTrainedModel, 'llama')
export const LlamaForQuestionAnswering = new ModelClass('QuestionAnswering', PreTrainedModel, 'llama')
