import type { Family } from '../family.js'
import { bart, learnedOffset, learnedPositions } from './bart.js'
import type { BartKeys } from './bart-config.js'
import { buildEncoderDecoder, type EncoderDecoderParts } from './encoder-decoder.js'

const parts: EncoderDecoderParts = {
  norms: 'pre',
  embeddingNorm: true,
  positions: learnedPositions(learnedOffset),
}

/** mBART (Liu et al. 2020): BART with norms before the branches; a text ends with its language, which begins the decoder's. */
export const mbart: Family<BartKeys> = {
  ...bart,
  schema: {
    ...bart.schema,
    modelType: 'mbart',
    defaults: { padTokenId: 1, bosTokenId: 0, eosTokenId: 2, isEncoderDecoder: true },
    numLabels: undefined,
  },
  classes: {
    Base: 'MBartModel',
    Seq2SeqLM: 'MBartForConditionalGeneration',
    CausalLM: 'MBartForCausalLM',
    SequenceClassification: 'MBartForSequenceClassification',
    QuestionAnswering: 'MBartForQuestionAnswering',
  },
  build: buildEncoderDecoder(parts),
  shift: { first: 'last', fromInputs: true },
}
