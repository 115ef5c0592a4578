// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { GenerativeModel } from '../generation/generative-model.js'
import { PreTrainedModel } from '../model.js'

export const Starcoder2Model = new ModelClass('Base', PreTrainedModel, 'starcoder2')
export const Starcoder2ForCausalLM = new ModelClass('CausalLM', GenerativeModel, 'starcoder2')
export const Starcoder2ForSequenceClassification = new ModelClass(
  'SequenceClassification',
  PreTrainedModel,
  'starcoder2',
)
export const Starcoder2ForTokenClassification = new ModelClass(
  'TokenClassification',
  PreTrainedModel,
  'starcoder2',
)
