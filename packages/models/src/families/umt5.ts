// Written by npm run generate.
import { ModelClass } from '../auto.js'
import { GenerativeModel } from '../generation/generative-model.js'
import { PreTrainedModel } from '../model.js'

export type { T5Config } from '../seq2seq/t5.js'

export const UMT5Model = new ModelClass('Base', PreTrainedModel, 'umt5')
export const UMT5ForConditionalGeneration = new ModelClass('Seq2SeqLM', GenerativeModel, 'umt5')
export const UMT5ForSequenceClassification = new ModelClass('SequenceClassification', PreTrainedModel, 'umt5')
export const UMT5ForTokenClassification = new ModelClass('TokenClassification', PreTrainedModel, 'umt5')
export const UMT5ForQuestionAnswering = new ModelClass('QuestionAnswering', PreTrainedModel, 'umt5')
export const UMT5EncoderModel = new ModelClass('TextEncoding', PreTrainedModel, 'umt5')
