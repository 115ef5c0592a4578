// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { GenerativeModel } from '../generation/generative-model.js'
import { PreTrainedModel } from '../model.js'

export const GraniteMoeHybridModel = new ModelClass('Base', PreTrainedModel, 'granitemoehybrid')
export const GraniteMoeHybridForCausalLM = new ModelClass('CausalLM', GenerativeModel, 'granitemoehybrid')
