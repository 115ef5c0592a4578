// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { GenerativeModel } from '../generation/generative-model.js'
import { PreTrainedModel } from '../model.js'

export type { BertConfig } from '../encoder/bert.js'

export const BertModel = new ModelClass('Base', PreTrainedModel, 'bert')
export const BertForPreTraining = new ModelClass('PreTraining', PreTrainedModel, 'bert')
export const BertForMaskedLM = new ModelClass('MaskedLM', PreTrainedModel, 'bert')
export const BertLMHeadModel = new ModelClass('CausalLM', GenerativeModel, 'bert')
export const BertForSequenceClassification = new ModelClass('SequenceClassification', PreTrainedModel, 'bert')
export const BertForTokenClassification = new ModelClass('TokenClassification', PreTrainedModel, 'bert')
export const BertForQuestionAnswering = new ModelClass('QuestionAnswering', PreTrainedModel, 'bert')
export const BertForMultipleChoice = new ModelClass('MultipleChoice', PreTrainedModel, 'bert')
export const BertForNextSentencePrediction = new ModelClass('NextSentencePrediction', PreTrainedModel, 'bert')
