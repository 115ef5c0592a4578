// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { GenerativeModel } from '../generation/generative-model.js'
import { PreTrainedModel } from '../model.js'

export const BartModel = new ModelClass('Base', PreTrainedModel, 'bart')
export const BartForConditionalGeneration = new ModelClass('Seq2SeqLM', GenerativeModel, 'bart')
export const BartForCausalLM = new ModelClass('CausalLM', GenerativeModel, 'bart')
export const BartForSequenceClassification = new ModelClass('SequenceClassification', PreTrainedModel, 'bart')
export const BartForQuestionAnswering = new ModelClass('QuestionAnswering', PreTrainedModel, 'bart')
