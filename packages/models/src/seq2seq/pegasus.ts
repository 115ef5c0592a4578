import { FixedPositions, marianSinusoids } from '../blocks/positions.js'
import type { Family } from '../family.js'
import { bartKeys, bartSchema, type BartKeys } from './bart-config.js'
import { bartCheckpoint, conditionalGeneration } from './bart-heads.js'
import { buildEncoderDecoder, type EncoderDecoderParts } from './encoder-decoder.js'

/** Marian's sinusoids, a row for each column. */
export const marianPositions: EncoderDecoderParts['positions'] = (
  weights,
  { maxPositionEmbeddings, dModel },
) => {
  const table = new FixedPositions(weights, maxPositionEmbeddings, dModel, marianSinusoids)
  return ({ positions }) => table.apply(positions)
}

/** Names in files of families whose positions are computed, which older ones stored. */
export const fixedPositionsCheckpoint = {
  ...bartCheckpoint,
  ignored: [...bartCheckpoint.ignored, /(^|\.)(en|de)coder\.embed_positions\.weight$/],
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
  tokens: ({ vocabSize, maxPositionEmbeddings }) => ({ vocabSize, maxPositions: maxPositionEmbeddings }),
  ownLabels: true,
  shift: { first: 'start', fromInputs: false },
  heads: { languageModel: conditionalGeneration },
  checkpoint: fixedPositionsCheckpoint,
}
