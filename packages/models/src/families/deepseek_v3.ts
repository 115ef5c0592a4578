// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { GenerativeModel } from '../generation/generative-model.js'
import { PreTrainedModel } from '../model.js'

export const DeepseekV3Model = new ModelClass('Base', PreTrainedModel, 'deepseek_v3')
export const DeepseekV3ForCausalLM = new ModelClass('CausalLM', GenerativeModel, 'deepseek_v3')
export const DeepseekV3ForSequenceClassification = new ModelClass(
  'SequenceClassification',
  PreTrainedModel,
  'deepseek_v3',
)
export const DeepseekV3ForTokenClassification = new ModelClass(
  'TokenClassification',
  PreTrainedModel,
  'deepseek_v3',
)
