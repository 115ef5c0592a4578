// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { GenerativeModel } from '../generation/generative-model.js'
import { PreTrainedModel } from '../model.js'

export type { T5Config } from '../seq2seq/t5.js'

export const MT5Model = new ModelClass('Base', PreTrainedModel, 'mt5')
export const MT5ForConditionalGeneration = new ModelClass('Seq2SeqLM', GenerativeModel, 'mt5')
export const MT5ForSequenceClassification = new ModelClass('SequenceClassification', PreTrainedModel, 'mt5')
export const MT5ForTokenClassification = new ModelClass('TokenClassification', PreTrainedModel, 'mt5')
export const MT5ForQuestionAnswering = new ModelClass('QuestionAnswering', PreTrainedModel, 'mt5')
export const MT5EncoderModel = new ModelClass('TextEncoding', PreTrainedModel, 'mt5')
