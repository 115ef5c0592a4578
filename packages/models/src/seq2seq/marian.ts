import { flag, optional, size, type Keys } from '../config/keys.js'
import type { Config } from '../config/config.js'
import type { Family } from '../family.js'
import { bartKeys, bartSchema, columnsOfAll } from './bart-config.js'
import { bartCheckpoint, conditionalGeneration } from './bart-heads.js'
import { buildEncoderDecoder, type EncoderDecoderParts } from './encoder-decoder.js'
import { marianPositions } from './pegasus.js'

const keys = {
  ...bartKeys({ vocabSize: 58101 }),
  decoderVocabSize: optional(size(58101)),
  shareEncoderDecoderEmbeddings: flag(true),
} satisfies Keys

type MarianConfig = Config<typeof keys>

/** Rows of the decoder's table; the encoder's count where they share one. */
const decoderRows = ({ shareEncoderDecoderEmbeddings, decoderVocabSize, vocabSize }: MarianConfig): number =>
  shareEncoderDecoderEmbeddings ? vocabSize : (decoderVocabSize ?? vocabSize)

const parts: EncoderDecoderParts = {
  norms: 'post',
  embeddingNorm: false,
  positions: marianPositions,
  ownDecoderVocabulary: (config) =>
    (config as MarianConfig).shareEncoderDecoderEmbeddings ? undefined : decoderRows(config as MarianConfig),
}

/** Marian (Junczys-Dowmunt et al. 2018): translation between two languages, which may have a vocabulary each. */
export const marian: Family<typeof keys> = {
  kind: 'seq2seq',
  schema: {
    ...bartSchema,
    modelType: 'marian',
    keys,
    defaults: { padTokenId: 58100, eosTokenId: 0, decoderStartTokenId: 58100, isEncoderDecoder: true },
    generation: { forced_eos_token_id: 0 },
  },
  classes: { Base: 'MarianModel', Seq2SeqLM: 'MarianMTModel', CausalLM: 'MarianForCausalLM' },
  prefix: 'model',
  build: buildEncoderDecoder(parts),
  tokens: ({ vocabSize, maxPositionEmbeddings: maxPositions }) => ({
    vocabSize,
    maxPositions,
    positions: columnsOfAll(0),
  }),
  decoderTokens: (config) => ({
    vocabSize: decoderRows(config),
    maxPositions: config.maxPositionEmbeddings,
    positions: columnsOfAll(0),
  }),
  ownLabels: true,
  shift: { first: 'start', fromInputs: false },
  heads: { languageModel: conditionalGeneration },
  checkpoint: {
    ...bartCheckpoint,
    omits: (name, task) => task === 'Seq2SeqLM' && name.endsWith('embed_positions.weight'),
    tie: {
      ...bartCheckpoint.tie,
      embeddingsOf: ({ shareEncoderDecoderEmbeddings }, task) =>
        shareEncoderDecoderEmbeddings && task !== 'CausalLM'
          ? 'model.shared.weight'
          : 'model.decoder.embed_tokens.weight',
    },
  },
}
