// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { GenerativeModel } from '../generation/generative-model.js'
import { PreTrainedModel } from '../model.js'

export const BlenderbotSmallModel = new ModelClass('Base', PreTrainedModel, 'blenderbot-small')
export const BlenderbotSmallForConditionalGeneration = new ModelClass(
  'Seq2SeqLM',
  GenerativeModel,
  'blenderbot-small',
)
export const BlenderbotSmallForCausalLM = new ModelClass('CausalLM', GenerativeModel, 'blenderbot-small')
