import { ConfigError } from '@tiny/core'
import { headsOwnEach, layerNorms } from '../blocks/norms.js'
import { flag, nonNegative, share, orNone, size } from '../config/keys.js'
import { ropeOptions } from '../config/rope.js'
import { denseDecoder, denseKeys, headDimOf } from './dense.js'
import { decoderFamily, requireWholeHeads } from './generic.js'

const { rmsNormEps: _, ...keys } = denseKeys

/** StableLM 3B, 2 and Zephyr (Stability AI 2023): layer norms, a quarter of each head rotated. */
export const stablelm = decoderFamily({
  schema: {
    modelType: 'stablelm',
    keys: {
      ...keys,
      vocabSize: size(50304),
      hiddenSize: size(2560),
      intermediateSize: size(6912),
      numKeyValueHeads: orNone(size(32)),
      maxPositionEmbeddings: size(4096),
      layerNormEps: nonNegative(1e-5),
      useQkvBias: flag(false),
      qkLayernorm: flag(false),
      useParallelResidual: flag(false),
      hiddenDropout: share(0),
    },
    defaults: { bosTokenId: 0, eosTokenId: 0, tieWordEmbeddings: false },
    // Of older code: the rotated share and the epsilon under other names.
    neutral: ['norm_eps', 'rope_pct', 'rotary_scaling_factor'],
    check(config) {
      const { hiddenSize, numAttentionHeads, headDim } = config
      requireWholeHeads({ ...config, headDim: undefined })
      if (headDim === undefined || headDim === hiddenSize / numAttentionHeads) return
      throw new ConfigError(`head_dim ${headDim} is not hidden_size ${hiddenSize} over num_attention_heads`, {
        key: 'head_dim',
      })
    },
  },
  name: 'StableLm',
  tasks: ['CausalLM', 'SequenceClassification', 'TokenClassification'],
  build: (weights, config) => {
    const { layerNormEps: eps, useParallelResidual: parallel } = config
    const rope = ropeOptions(config, { headDim: headDimOf(config), partial: 0.25 })
    return denseDecoder(weights, config, {
      norm: layerNorms({ eps }),
      order: parallel ? 'parallel' : 'pre',
      norms: {
        beforeMixer: 'input_layernorm',
        ...(parallel ? {} : { beforeFeedForward: 'post_attention_layernorm' }),
      },
      bias: { qkv: config.useQkvBias, output: false },
      dropout: { attention: 0, feedForward: config.hiddenDropout },
      rope: () => rope,
      attention: () => ({
        qkNorm: config.qkLayernorm
          ? { query: 'q_layernorm', key: 'k_layernorm', make: headsOwnEach(eps) }
          : undefined,
      }),
    })
  },
})
