// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { GenerativeModel } from '../generation/generative-model.js'
import { PreTrainedModel } from '../model.js'

export const GraniteMoeModel = new ModelClass('Base', PreTrainedModel, 'granitemoe')
export const GraniteMoeForCausalLM = new ModelClass('CausalLM', GenerativeModel, 'granitemoe')
