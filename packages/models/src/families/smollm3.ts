// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { GenerativeModel } from '../generation/generative-model.js'
import { PreTrainedModel } from '../model.js'

export const SmolLM3Model = new ModelClass('Base', PreTrainedModel, 'smollm3')
export const SmolLM3ForCausalLM = new ModelClass('CausalLM', GenerativeModel, 'smollm3')
export const SmolLM3ForSequenceClassification = new ModelClass(
  'SequenceClassification',
  PreTrainedModel,
  'smollm3',
)
export const SmolLM3ForTokenClassification = new ModelClass('TokenClassification', PreTrainedModel, 'smollm3')
export const SmolLM3ForQuestionAnswering = new ModelClass('QuestionAnswering', PreTrainedModel, 'smollm3')
