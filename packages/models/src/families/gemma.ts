// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { GenerativeModel } from '../generation/generative-model.js'
import { PreTrainedModel } from '../model.js'

export const GemmaModel = new ModelClass('Base', PreTrainedModel, 'gemma')
export const GemmaForCausalLM = new ModelClass('CausalLM', GenerativeModel, 'gemma')
export const GemmaForSequenceClassification = new ModelClass(
  'SequenceClassification',
  PreTrainedModel,
  'gemma',
)
export const GemmaForTokenClassification = new ModelClass('TokenClassification', PreTrainedModel, 'gemma')
