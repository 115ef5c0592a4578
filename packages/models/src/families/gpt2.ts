// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { GenerativeModel } from '../generation/generative-model.js'
import { PreTrainedModel } from '../model.js'

export type { Gpt2Config } from '../decoder/gpt2.js'

export const GPT2Model = new ModelClass('Base', PreTrainedModel, 'gpt2')
export const GPT2LMHeadModel = new ModelClass('CausalLM', GenerativeModel, 'gpt2')
export const GPT2ForSequenceClassification = new ModelClass('SequenceClassification', PreTrainedModel, 'gpt2')
export const GPT2ForTokenClassification = new ModelClass('TokenClassification', PreTrainedModel, 'gpt2')
export const GPT2ForQuestionAnswering = new ModelClass('QuestionAnswering', PreTrainedModel, 'gpt2')
