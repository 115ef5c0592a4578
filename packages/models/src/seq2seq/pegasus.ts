import { cast, embedding, tensor } from '@tiny/core'
import { marianSinusoids } from '../blocks/positions.js'
import type { Family } from '../family.js'
import { bartKeys, bartSchema, columnsOfAll, type BartKeys } from './bart-config.js'
import { bartCheckpoint, conditionalGeneration } from './bart-heads.js'
import { buildEncoderDecoder, type EncoderDecoderParts } from './encoder-decoder.js'

/** Marian's sinusoids, a row for each column: computed, but for files that hold them, rounded maybe. */
export const marianPositions: EncoderDecoderParts['positions'] = (
  weights,
  { maxPositionEmbeddings, dModel },
) => {
  const table = weights
    .as('computed')
    .frozen('embed_positions.weight', [maxPositionEmbeddings, dModel], (shape, dtype) =>
      cast(tensor(marianSinusoids(maxPositionEmbeddings, dModel), { shape }), dtype),
    )
  return ({ positions }) => embedding(table, positions)
}

const parts: EncoderDecoderParts = { norms: 'pre', embeddingNorm: false, positions: marianPositions }

/** Pegasus (Zhang et al. 2020): summarisation. */
export const pegasus: Family<BartKeys> = {
  kind: 'seq2seq',
  schema: {
    ...bartSchema,
    modelType: 'pegasus',
    keys: bartKeys({}),
    defaults: { padTokenId: 0, eosTokenId: 1, decoderStartTokenId: 0, isEncoderDecoder: true },
    generation: { forced_eos_token_id: 1 },
  },
  classes: {
    Base: 'PegasusModel',
    Seq2SeqLM: 'PegasusForConditionalGeneration',
    CausalLM: 'PegasusForCausalLM',
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
