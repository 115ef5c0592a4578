import { Embedding } from '../blocks/embeddings.js'
import type { Family } from '../family.js'
import { normal } from '../parameters/initialisers.js'
import { bartKeys, bartSchema, columnsOfAll, type BartKeys } from './bart-config.js'
import { bartCheckpoint, bartHeads } from './bart-heads.js'
import { buildEncoderDecoder, type EncoderDecoderParts } from './encoder-decoder.js'

/** Two rows of the table stand before the first position: fairseq counted from its padding's id. */
export const learnedOffset = 2

/** A learned row for each column. */
export const learnedPositions =
  (offset: number): EncoderDecoderParts['positions'] =>
  (weights, { maxPositionEmbeddings, dModel, initStd }) => {
    const table = new Embedding(weights.at('embed_positions'), maxPositionEmbeddings + offset, dModel, {
      weight: normal(initStd),
    })
    return ({ positions }) => table.apply(positions)
  }

const parts: EncoderDecoderParts = {
  norms: 'post',
  embeddingNorm: true,
  positions: learnedPositions(learnedOffset),
}

/** BART (Lewis et al. 2020). */
export const bart: Family<BartKeys> = {
  kind: 'seq2seq',
  schema: {
    ...bartSchema,
    modelType: 'bart',
    keys: bartKeys({}),
    defaults: {
      padTokenId: 1,
      bosTokenId: 0,
      eosTokenId: 2,
      decoderStartTokenId: 2,
      isEncoderDecoder: true,
    },
    numLabels: 3,
    generation: { forced_eos_token_id: 2 },
  },
  classes: {
    Base: 'BartModel',
    Seq2SeqLM: 'BartForConditionalGeneration',
    CausalLM: 'BartForCausalLM',
    SequenceClassification: 'BartForSequenceClassification',
    QuestionAnswering: 'BartForQuestionAnswering',
  },
  prefix: 'model',
  build: buildEncoderDecoder(parts),
  tokens: ({ vocabSize, maxPositionEmbeddings }) => ({
    vocabSize,
    maxPositions: maxPositionEmbeddings + learnedOffset,
    positions: columnsOfAll(learnedOffset),
  }),
  ownLabels: true,
  shift: { first: 'start', fromInputs: true },
  heads: bartHeads,
  checkpoint: bartCheckpoint,
}
