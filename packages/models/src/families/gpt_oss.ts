// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { GenerativeModel } from '../generation/generative-model.js'
import { PreTrainedModel } from '../model.js'

export const GptOssModel = new ModelClass('Base', PreTrainedModel, 'gpt_oss')
export const GptOssForCausalLM = new ModelClass('CausalLM', GenerativeModel, 'gpt_oss')
export const GptOssForSequenceClassification = new ModelClass(
  'SequenceClassification',
  PreTrainedModel,
  'gpt_oss',
)
export const GptOssForTokenClassification = new ModelClass('TokenClassification', PreTrainedModel, 'gpt_oss')
