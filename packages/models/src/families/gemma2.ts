// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { GenerativeModel } from '../generation/generative-model.js'
import { PreTrainedModel } from '../model.js'

export const Gemma2Model = new ModelClass('Base', PreTrainedModel, 'gemma2')
export const Gemma2ForCausalLM = new ModelClass('CausalLM', GenerativeModel, 'gemma2')
export const Gemma2ForSequenceClassification = new ModelClass(
  'SequenceClassification',
  PreTrainedModel,
  'gemma2',
)
export const Gemma2ForTokenClassification = new ModelClass('TokenClassification', PreTrainedModel, 'gemma2')
