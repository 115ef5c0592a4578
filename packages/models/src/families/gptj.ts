// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { GenerativeModel } from '../generation/generative-model.js'
import { PreTrainedModel } from '../model.js'

export const GPTJModel = new ModelClass('Base', PreTrainedModel, 'gptj')
export const GPTJForCausalLM = new ModelClass('CausalLM', GenerativeModel, 'gptj')
export const GPTJForSequenceClassification = new ModelClass('SequenceClassification', PreTrainedModel, 'gptj')
export const GPTJForQuestionAnswering = new ModelClass('QuestionAnswering', PreTrainedModel, 'gptj')
