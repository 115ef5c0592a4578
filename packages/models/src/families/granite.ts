// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { GenerativeModel } from '../generation/generative-model.js'
import { PreTrainedModel } from '../model.js'

export const GraniteModel = new ModelClass('Base', PreTrainedModel, 'granite')
export const GraniteForCausalLM = new ModelClass('CausalLM', GenerativeModel, 'granite')
