// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { GenerativeModel } from '../generation/generative-model.js'
import { PreTrainedModel } from '../model.js'

export const MixtralModel = new ModelClass('Base', PreTrainedModel, 'mixtral')
export const MixtralForCausalLM = new ModelClass('CausalLM', GenerativeModel, 'mixtral')
export const MixtralForSequenceClassification = new ModelClass(
  'SequenceClassification',
  PreTrainedModel,
  'mixtral',
)
export const MixtralForTokenClassification = new ModelClass('TokenClassification', PreTrainedModel, 'mixtral')
export const MixtralForQuestionAnswering = new ModelClass('QuestionAnswering', PreTrainedModel, 'mixtral')
