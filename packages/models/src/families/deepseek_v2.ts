// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { GenerativeModel } from '../generation/generative-model.js'
import { PreTrainedModel } from '../model.js'

export const DeepseekV2Model = new ModelClass('Base', PreTrainedModel, 'deepseek_v2')
export const DeepseekV2ForCausalLM = new ModelClass('CausalLM', GenerativeModel, 'deepseek_v2')
export const DeepseekV2ForSequenceClassification = new ModelClass(
  'SequenceClassification',
  PreTrainedModel,
  'deepseek_v2',
)
