import { activationOf } from '../blocks/activations.js'
import { Mlp } from '../blocks/mlp.js'
import { layerNorms } from '../blocks/norms.js'
import { flag, layers, nonNegative, share, orNone, size, text } from '../config/keys.js'
import { slidingWindowKey, windowOf } from '../config/layer-types.js'
import { normal } from '../parameters/initialisers.js'
import { denseDecoder, denseKeys } from './dense.js'
import { decoderFamily, requireHeads } from './generic.js'

const { rmsNormEps: _, ...keys } = denseKeys

/** StarCoder 2 (Lozhkov et al. 2024): layer norms, biases, a plain feed-forward part, a window. */
export const starcoder2 = decoderFamily({
  schema: {
    modelType: 'starcoder2',
    keys: {
      ...keys,
      vocabSize: size(49152),
      hiddenSize: size(3072),
      intermediateSize: size(12288),
      numHiddenLayers: layers(30),
      numAttentionHeads: size(24),
      numKeyValueHeads: orNone(size(2)),
      hiddenAct: text('gelu_pytorch_tanh'),
      maxPositionEmbeddings: size(4096),
      initializerRange: nonNegative(0.018042),
      normEpsilon: nonNegative(1e-5),
      slidingWindow: slidingWindowKey(undefined),
      residualDropout: share(0),
      embeddingDropout: share(0),
      useBias: flag(true),
    },
    defaults: { bosTokenId: 50256, eosTokenId: 50256, tieWordEmbeddings: true },
    // Of older code: classes that there is but one of, the epsilon under another name.
    neutral: [
      'activation_function',
      'mlp_type',
      'norm_type',
      'attention_softmax_in_fp32',
      'layer_norm_epsilon',
      'scale_attention_softmax_in_fp32',
      'scale_attn_weights',
    ],
    check: requireHeads,
  },
  name: 'Starcoder2',
  tasks: ['CausalLM', 'SequenceClassification', 'TokenClassification'],
  build: (weights, config) => {
    const { hiddenSize: width, intermediateSize: inner, useBias: bias, residualDropout } = config
    const weight = normal(config.initializerRange)
    return denseDecoder(weights, config, {
      norm: layerNorms({ eps: config.normEpsilon }),
      bias: { qkv: bias, output: bias },
      embeddingDropout: config.embeddingDropout,
      dropout: { attention: residualDropout, feedForward: residualDropout },
      attention: () => ({ window: windowOf('sliding_attention', config.slidingWindow) }),
      feedForward: (at) =>
        new Mlp(at.at('mlp'), {
          width,
          inner,
          bias,
          activation: activationOf(config.hiddenAct, 'hidden_act'),
          dropout: { output: residualDropout },
          up: { name: 'c_fc', weight },
          down: { name: 'c_proj', weight },
        }),
    })
  },
})
