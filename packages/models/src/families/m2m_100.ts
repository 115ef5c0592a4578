// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { GenerativeModel } from '../generation/generative-model.js'
import { PreTrainedModel } from '../model.js'

export const M2M100Model = new ModelClass('Base', PreTrainedModel, 'm2m_100')
export const M2M100ForConditionalGeneration = new ModelClass('Seq2SeqLM', GenerativeModel, 'm2m_100')
