// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { GenerativeModel } from '../generation/generative-model.js'
import { PreTrainedModel } from '../model.js'

export const MarianModel = new ModelClass('Base', PreTrainedModel, 'marian')
export const MarianMTModel = new ModelClass('Seq2SeqLM', GenerativeModel, 'marian')
export const MarianForCausalLM = new ModelClass('CausalLM', GenerativeModel, 'marian')
