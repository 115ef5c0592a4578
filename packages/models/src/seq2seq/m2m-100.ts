import { cast, full, where, type Tensor } from '@tiny/core'
import { fairseqSinusoids, FixedPositions } from '../blocks/positions.js'
import type { Family } from '../family.js'
import type { Batch } from '../inputs/batch.js'
import { normal } from '../parameters/initialisers.js'
import { bartKeys, bartSchema, type BartConfig, type BartKeys } from './bart-config.js'
import { EncoderDecoder, type EncoderDecoderParts } from './encoder-decoder.js'
import { bartCheckpoint } from './bart-heads.js'

/** Rows of the table beyond the positions that the configuration promises, as fairseq has them. */
const spare = 2

const rowsOf = ({ maxPositionEmbeddings, padTokenId = 0 }: BartConfig): number =>
  maxPositionEmbeddings + Math.max(spare, padTokenId + 1)

/** fairseq's sinusoids: positions count the tokens that are no padding, which itself has a row of zeros. */
const fairseqPositions: EncoderDecoderParts['positions'] = (weights, config) => {
  const { padTokenId, dModel } = config
  const table = new FixedPositions(weights, rowsOf(config), dModel, (rows, width) =>
    fairseqSinusoids(rows, width, padTokenId),
  )
  return (batch) => table.apply(padTokenId === undefined ? batch.positions : besidePadding(batch, padTokenId))
}

/** A generated id is not known when its position is counted: padding's stands at its own row whatever came before. */
function besidePadding({ inputIds, positions }: Batch<Tensor>, padTokenId: number): Tensor {
  const pad = full([], padTokenId)
  return cast(where(cast(inputIds, 'float32').sub(pad), cast(positions, 'float32'), pad), 'int32')
}

const parts: EncoderDecoderParts = { norms: 'pre', embeddingNorm: false, positions: fairseqPositions }

/** M2M-100 (Fan et al. 2020) and NLLB (2022): translation among many languages. */
export const m2m100: Family<BartKeys> = {
  kind: 'seq2seq',
  schema: {
    ...bartSchema,
    modelType: 'm2m_100',
    keys: bartKeys({
      vocabSize: 128112,
      encoderLayerdrop: 0.05,
      decoderLayerdrop: 0.05,
      activationFunction: 'relu',
      attentionDropout: 0.1,
      scaleEmbedding: true,
    }),
    defaults: { padTokenId: 1, bosTokenId: 0, eosTokenId: 2, decoderStartTokenId: 2, isEncoderDecoder: true },
  },
  classes: { Base: 'M2M100Model', Seq2SeqLM: 'M2M100ForConditionalGeneration' },
  prefix: 'model',
  build: (weights, config) => new EncoderDecoder(weights, config, parts),
  tokens: (config) => ({
    vocabSize: config.vocabSize,
    maxPositions: rowsOf(config),
    positions:
      config.padTokenId === undefined
        ? { rule: 'columns', offset: 1 }
        : { rule: 'ids', padTokenId: config.padTokenId },
  }),
  shift: { first: 'start', fromInputs: false },
  heads: { languageModel: ({ initStd }) => ({ decoder: 'lm_head', weight: normal(initStd) }) },
  checkpoint: {
    ...bartCheckpoint,
    // Older files hold the sinusoids.
    ignored: [...bartCheckpoint.ignored, /(^|\.)(en|de)coder\.embed_positions\.weights?$/],
  },
}
