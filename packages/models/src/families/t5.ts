// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { GenerativeModel } from '../generation/generative-model.js'
import { PreTrainedModel } from '../model.js'

export type { T5Config } from '../seq2seq/t5.js'

export const T5Model = new ModelClass('Base', PreTrainedModel, 't5')
export const T5ForConditionalGeneration = new ModelClass('Seq2SeqLM', GenerativeModel, 't5')
export const T5ForSequenceClassification = new ModelClass('SequenceClassification', PreTrainedModel, 't5')
export const T5ForTokenClassification = new ModelClass('TokenClassification', PreTrainedModel, 't5')
export const T5ForQuestionAnswering = new ModelClass('QuestionAnswering', PreTrainedModel, 't5')
export const T5EncoderModel = new ModelClass('TextEncoding', PreTrainedModel, 't5')
