// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { GenerativeModel } from '../generation/generative-model.js'
import { PreTrainedModel } from '../model.js'

export const StableLmModel = new ModelClass('Base', PreTrainedModel, 'stablelm')
export const StableLmForCausalLM = new ModelClass('CausalLM', GenerativeModel, 'stablelm')
export const StableLmForSequenceClassification = new ModelClass(
  'SequenceClassification',
  PreTrainedModel,
  'stablelm',
)
export const StableLmForTokenClassification = new ModelClass(
  'TokenClassification',
  PreTrainedModel,
  'stablelm',
)
