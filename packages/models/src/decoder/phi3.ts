import { activationOf } from '../blocks/activations.js'
import { Mlp } from '../blocks/mlp.js'
import { layers, nonNegative, share, size } from '../config/keys.js'
import { slidingWindowKey, windowOf } from '../config/layer-types.js'
import { ropeOptions } from '../config/rope.js'
import { normal } from '../parameters/initialisers.js'
import { denseDecoder, denseKeys, headDimOf } from './dense.js'
import { decoderFamily, requireHeads } from './generic.js'

/** Phi-3 and Phi-4-mini (Abdin et al. 2024): LLaMA with fused products, and other frequencies for long texts. */
export const phi3 = decoderFamily({
  schema: {
    modelType: 'phi3',
    keys: {
      ...denseKeys,
      vocabSize: size(32064),
      hiddenSize: size(3072),
      intermediateSize: size(8192),
      numHiddenLayers: layers(32),
      rmsNormEps: nonNegative(1e-5),
      maxPositionEmbeddings: size(4096),
      originalMaxPositionEmbeddings: size(4096),
      residPdrop: share(0),
      slidingWindow: slidingWindowKey(undefined),
    },
    defaults: { bosTokenId: 1, eosTokenId: 32000, padTokenId: 32000, tieWordEmbeddings: false },
    // transformers reads neither; biases were never in use.
    neutral: ['embd_pdrop', 'attention_bias', 'lm_head_bias', 'full_attn_mod', 'interpolate_factor'],
    check: requireHeads,
  },
  name: 'Phi3',
  tasks: ['CausalLM', 'SequenceClassification', 'TokenClassification'],
  build: (weights, config) => {
    const { hiddenSize: width, intermediateSize: inner, residPdrop } = config
    const weight = normal(config.initializerRange)
    const rope = ropeOptions(config, {
      headDim: headDimOf(config),
      partial: 1,
      renamed: { su: 'longrope', yarn: 'longrope' },
    })
    return denseDecoder(weights, config, {
      rope: () => rope,
      cache: { anewBeyond: rope.long?.threshold },
      dropout: { attention: residPdrop, feedForward: residPdrop },
      attention: () => ({
        window: windowOf('sliding_attention', config.slidingWindow),
        projections: { fused: { name: 'qkv_proj', weight, bias: false } },
      }),
      feedForward: (at) =>
        new Mlp(at.at('mlp'), {
          width,
          inner,
          activation: activationOf(config.hiddenAct, 'hidden_act'),
          bias: false,
          dropout: { output: residPdrop },
          gate: 'first half',
          up: { name: 'gate_up_proj', weight },
          down: { name: 'down_proj', weight },
        }),
    })
  },
})
