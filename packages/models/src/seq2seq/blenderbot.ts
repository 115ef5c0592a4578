import type { Family } from '../family.js'
import { learnedPositions } from './bart.js'
import { bartKeys, bartSchema, columnsOfAll, type BartKeys } from './bart-config.js'
import { bartCheckpoint, conditionalGeneration } from './bart-heads.js'
import { buildEncoderDecoder, type EncoderDecoderParts } from './encoder-decoder.js'

const parts: EncoderDecoderParts = { norms: 'pre', embeddingNorm: false, positions: learnedPositions(0) }

/** Blenderbot (Roller et al. 2020): conversation. */
export const blenderbot: Family<BartKeys> = {
  kind: 'seq2seq',
  schema: {
    ...bartSchema,
    modelType: 'blenderbot',
    keys: bartKeys({
      vocabSize: 8008,
      maxPositionEmbeddings: 128,
      encoderLayers: 2,
      encoderFfnDim: 10240,
      encoderAttentionHeads: 32,
      decoderLayers: 24,
      decoderFfnDim: 10240,
      decoderAttentionHeads: 32,
      dModel: 2560,
    }),
    defaults: { padTokenId: 0, bosTokenId: 1, eosTokenId: 2, decoderStartTokenId: 1, isEncoderDecoder: true },
    generation: { forced_eos_token_id: 2, encoder_no_repeat_ngram_size: 3 },
  },
  classes: {
    Base: 'BlenderbotModel',
    Seq2SeqLM: 'BlenderbotForConditionalGeneration',
    CausalLM: 'BlenderbotForCausalLM',
  },
  prefix: 'model',
  build: buildEncoderDecoder(parts),
  tokens: ({ vocabSize, maxPositionEmbeddings: maxPositions }) => ({
    vocabSize,
    maxPositions,
    positions: columnsOfAll(0),
  }),
  ownLabels: true,
  shift: { first: 'start', fromInputs: false },
  heads: { languageModel: conditionalGeneration },
  checkpoint: bartCheckpoint,
}

/** Blenderbot of 90 million parameters, which has BART's norms. */
export const blenderbotSmall: Family<BartKeys> = {
  ...blenderbot,
  schema: {
    ...blenderbot.schema,
    modelType: 'blenderbot-small',
    keys: bartKeys({
      maxPositionEmbeddings: 512,
      encoderLayers: 8,
      encoderFfnDim: 2048,
      decoderLayers: 8,
      decoderFfnDim: 2048,
      dModel: 512,
    }),
    generation: { forced_eos_token_id: 2 },
  },
  classes: {
    Base: 'BlenderbotSmallModel',
    Seq2SeqLM: 'BlenderbotSmallForConditionalGeneration',
    CausalLM: 'BlenderbotSmallForCausalLM',
  },
  build: buildEncoderDecoder({
    norms: 'post',
    embeddingNorm: { decoder: 'words' },
    positions: learnedPositions(0),
  }),
}
