// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { GenerativeModel } from '../generation/generative-model.js'
import { PreTrainedModel } from '../model.js'

export const BlenderbotModel = new ModelClass('Base', PreTrainedModel, 'blenderbot')
export const BlenderbotForConditionalGeneration = new ModelClass('Seq2SeqLM', GenerativeModel, 'blenderbot')
export const BlenderbotForCausalLM = new ModelClass('CausalLM', GenerativeModel, 'blenderbot')
