// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { GenerativeModel } from '../generation/generative-model.js'
import { PreTrainedModel } from '../model.js'

export const Qwen3Model = new ModelClass('Base', PreTrainedModel, 'qwen3')
export const Qwen3ForCausalLM = new ModelClass('CausalLM', GenerativeModel, 'qwen3')
export const Qwen3ForSequenceClassification = new ModelClass(
  'SequenceClassification',
  PreTrainedModel,
  'qwen3',
)
export const Qwen3ForTokenClassification = new ModelClass('TokenClassification', PreTrainedModel, 'qwen3')
export const Qwen3ForQuestionAnswering = new ModelClass('QuestionAnswering', PreTrainedModel, 'qwen3')
