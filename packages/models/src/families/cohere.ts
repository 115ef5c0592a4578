// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { GenerativeModel } from '../generation/generative-model.js'
import { PreTrainedModel } from '../model.js'

export const CohereModel = new ModelClass('Base', PreTrainedModel, 'cohere')
export const CohereForCausalLM = new ModelClass('CausalLM', GenerativeModel, 'cohere')
