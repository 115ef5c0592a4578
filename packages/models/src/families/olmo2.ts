// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { GenerativeModel } from '../generation/generative-model.js'
import { PreTrainedModel } from '../model.js'

export const Olmo2Model = new ModelClass('Base', PreTrainedModel, 'olmo2')
export const Olmo2ForCausalLM = new ModelClass('CausalLM', GenerativeModel, 'olmo2')
export const Olmo2ForSequenceClassification = new ModelClass(
  'SequenceClassification',
  PreTrainedModel,
  'olmo2',
)
