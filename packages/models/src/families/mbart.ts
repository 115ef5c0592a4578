// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { GenerativeModel } from '../generation/generative-model.js'
import { PreTrainedModel } from '../model.js'

export const MBartModel = new ModelClass('Base', PreTrainedModel, 'mbart')
export const MBartForConditionalGeneration = new ModelClass('Seq2SeqLM', GenerativeModel, 'mbart')
export const MBartForCausalLM = new ModelClass('CausalLM', GenerativeModel, 'mbart')
export const MBartForSequenceClassification = new ModelClass(
  'SequenceClassification',
  PreTrainedModel,
  'mbart',
)
export const MBartForQuestionAnswering = new ModelClass('QuestionAnswering', PreTrainedModel, 'mbart')
