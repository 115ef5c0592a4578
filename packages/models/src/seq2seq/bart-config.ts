import { ConfigError } from '@tiny/core'
import type { Config, ConfigSchema } from '../config/config.js'
import { flag, layers, nonNegative, share, size, text, type Keys, type ValuesOf } from '../config/keys.js'
import type { PositionRule } from '../inputs/positions.js'

/** Keys of BART and of those that are like it. */
const keys = {
  vocabSize: size(50265),
  maxPositionEmbeddings: size(1024),
  encoderLayers: layers(12, 'numHiddenLayers'),
  encoderFfnDim: size(4096),
  encoderAttentionHeads: size(16, 'numAttentionHeads'),
  decoderLayers: layers(12),
  decoderFfnDim: size(4096),
  decoderAttentionHeads: size(16),
  encoderLayerdrop: share(0),
  decoderLayerdrop: share(0),
  activationFunction: text('gelu'),
  dModel: size(1024, 'hiddenSize'),
  dropout: share(0.1),
  attentionDropout: share(0),
  activationDropout: share(0),
  initStd: nonNegative(0.02),
  classifierDropout: share(0),
  scaleEmbedding: flag(false),
  // Written by causal language models, whose class says so anyway.
  isDecoder: flag(false),
} satisfies Keys

export type BartKeys = typeof keys
export type BartConfig = Config<BartKeys>

/** The keys, with the defaults in which a family differs. */
export function bartKeys(defaults: Partial<ValuesOf<BartKeys>>): BartKeys {
  const changed = Object.entries(defaults).map(([name, fallback]) => [
    name,
    { ...keys[name as keyof BartKeys], fallback },
  ])
  return { ...keys, ...Object.fromEntries(changed) }
}

/** Rows of the table of positions: every column's, padding's too, even where a decoder generates by itself. */
export const columnsOfAll = (offset: number): PositionRule => ({
  rule: 'columns',
  offset,
  paddingCounts: true,
})

/** What fairseq's converters wrote into older files; which family it is decides all of it today. */
const converted = [
  'add_bias_logits',
  'add_final_layer_norm',
  'classif_dropout',
  'do_blenderbot_90_layernorm',
  'extra_layer_norm',
  'extra_pos_embeddings',
  'force_bos_token_to_be_generated',
  'layernorm_variant',
  'normalize_before',
  'normalize_embedding',
  'num_hidden_layers',
  'static_position_embeddings',
  'student_decoder_layers',
  'student_encoder_layers',
]

/** What is alike in the schemas of all of them. */
export const bartSchema = {
  neutral: converted,
  check({ dModel, encoderAttentionHeads, decoderAttentionHeads }: ValuesOf<BartKeys>) {
    for (const [key, heads] of Object.entries({
      encoder_attention_heads: encoderAttentionHeads,
      decoder_attention_heads: decoderAttentionHeads,
    })) {
      if (dModel % heads === 0) continue
      throw new ConfigError(`d_model ${dModel} is not a multiple of ${key} ${heads}`, { key })
    }
  },
} satisfies Partial<ConfigSchema<BartKeys>>
