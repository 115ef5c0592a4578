// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { GenerativeModel } from '../generation/generative-model.js'
import { PreTrainedModel } from '../model.js'

export const PegasusModel = new ModelClass('Base', PreTrainedModel, 'pegasus')
export const PegasusForConditionalGeneration = new ModelClass('Seq2SeqLM', GenerativeModel, 'pegasus')
export const PegasusForCausalLM = new ModelClass('CausalLM', GenerativeModel, 'pegasus')
