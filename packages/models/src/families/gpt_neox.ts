// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { GenerativeModel } from '../generation/generative-model.js'
import { PreTrainedModel } from '../model.js'

export const GPTNeoXModel = new ModelClass('Base', PreTrainedModel, 'gpt_neox')
export const GPTNeoXForCausalLM = new ModelClass('CausalLM', GenerativeModel, 'gpt_neox')
export const GPTNeoXForSequenceClassification = new ModelClass(
  'SequenceClassification',
  PreTrainedModel,
  'gpt_neox',
)
export const GPTNeoXForTokenClassification = new ModelClass(
  'TokenClassification',
  PreTrainedModel,
  'gpt_neox',
)
export const GPTNeoXForQuestionAnswering = new ModelClass('QuestionAnswering', PreTrainedModel, 'gpt_neox')
