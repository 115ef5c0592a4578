// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { GenerativeModel } from '../generation/generative-model.js'
import { PreTrainedModel } from '../model.js'

export const Ministral3Model = new ModelClass('Base', PreTrainedModel, 'ministral3')
export const Ministral3ForCausalLM = new ModelClass('CausalLM', GenerativeModel, 'ministral3')
export const Ministral3ForSequenceClassification = new ModelClass(
  'SequenceClassification',
  PreTrainedModel,
  'ministral3',
)
export const Ministral3ForTokenClassification = new ModelClass(
  'TokenClassification',
  PreTrainedModel,
  'ministral3',
)
export const Ministral3ForQuestionAnswering = new ModelClass(
  'QuestionAnswering',
  PreTrainedModel,
  'ministral3',
)
