// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { GenerativeModel } from '../generation/generative-model.js'
import { PreTrainedModel } from '../model.js'

export const Qwen3MoeModel = new ModelClass('Base', PreTrainedModel, 'qwen3_moe')
export const Qwen3MoeForCausalLM = new ModelClass('CausalLM', GenerativeModel, 'qwen3_moe')
export const Qwen3MoeForSequenceClassification = new ModelClass(
  'SequenceClassification',
  PreTrainedModel,
  'qwen3_moe',
)
export const Qwen3MoeForTokenClassification = new ModelClass(
  'TokenClassification',
  PreTrainedModel,
  'qwen3_moe',
)
export const Qwen3MoeForQuestionAnswering = new ModelClass('QuestionAnswering', PreTrainedModel, 'qwen3_moe')
