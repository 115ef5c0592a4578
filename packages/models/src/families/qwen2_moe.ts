// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { GenerativeModel } from '../generation/generative-model.js'
import { PreTrainedModel } from '../model.js'

export const Qwen2MoeModel = new ModelClass('Base', PreTrainedModel, 'qwen2_moe')
export const Qwen2MoeForCausalLM = new ModelClass('CausalLM', GenerativeModel, 'qwen2_moe')
export const Qwen2MoeForSequenceClassification = new ModelClass(
  'SequenceClassification',
  PreTrainedModel,
  'qwen2_moe',
)
export const Qwen2MoeForTokenClassification = new ModelClass(
  'TokenClassification',
  PreTrainedModel,
  'qwen2_moe',
)
export const Qwen2MoeForQuestionAnswering = new ModelClass('QuestionAnswering', PreTrainedModel, 'qwen2_moe')
