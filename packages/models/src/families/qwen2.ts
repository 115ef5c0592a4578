// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { GenerativeModel } from '../generation/generative-model.js'
import { PreTrainedModel } from '../model.js'

export const Qwen2Model = new ModelClass('Base', PreTrainedModel, 'qwen2')
export const Qwen2ForCausalLM = new ModelClass('CausalLM', GenerativeModel, 'qwen2')
export const Qwen2ForSequenceClassification = new ModelClass(
  'SequenceClassification',
  PreTrainedModel,
  'qwen2',
)
export const Qwen2ForTokenClassification = new ModelClass('TokenClassification', PreTrainedModel, 'qwen2')
export const Qwen2ForQuestionAnswering = new ModelClass('QuestionAnswering', PreTrainedModel, 'qwen2')
