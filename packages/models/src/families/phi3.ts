// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { GenerativeModel } from '../generation/generative-model.js'
import { PreTrainedModel } from '../model.js'

export const Phi3Model = new ModelClass('Base', PreTrainedModel, 'phi3')
export const Phi3ForCausalLM = new ModelClass('CausalLM', GenerativeModel, 'phi3')
export const Phi3ForSequenceClassification = new ModelClass('SequenceClassification', PreTrainedModel, 'phi3')
export const Phi3ForTokenClassification = new ModelClass('TokenClassification', PreTrainedModel, 'phi3')
