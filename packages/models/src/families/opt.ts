// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { GenerativeModel } from '../generation/generative-model.js'
import { PreTrainedModel } from '../model.js'

export const OPTModel = new ModelClass('Base', PreTrainedModel, 'opt')
export const OPTForCausalLM = new ModelClass('CausalLM', GenerativeModel, 'opt')
export const OPTForSequenceClassification = new ModelClass('SequenceClassification', PreTrainedModel, 'opt')
export const OPTForQuestionAnswering = new ModelClass('QuestionAnswering', PreTrainedModel, 'opt')
