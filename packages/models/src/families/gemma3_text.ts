// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { GenerativeModel } from '../generation/generative-model.js'
import { PreTrainedModel } from '../model.js'

export const Gemma3TextModel = new ModelClass('Base', PreTrainedModel, 'gemma3_text')
export const Gemma3ForCausalLM = new ModelClass('CausalLM', GenerativeModel, 'gemma3_text')
export const Gemma3TextForSequenceClassification = new ModelClass(
  'SequenceClassification',
  PreTrainedModel,
  'gemma3_text',
)
