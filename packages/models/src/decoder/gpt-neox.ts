import { activationOf } from '../blocks/activations.js'
import { Attention } from '../blocks/attention.js'
import { TokenEmbeddings } from '../blocks/embeddings.js'
import { Mlp } from '../blocks/mlp.js'
import { LayerNorm } from '../blocks/norms.js'
import { flag, layers, nonNegative, optional, real, share, size, text, type Keys } from '../config/keys.js'
import { ropeKeys, ropeOptions } from '../config/rope.js'
import { withValues, type Config } from '../config/config.js'
import { normal } from '../parameters/initialisers.js'
import type { Weights } from '../parameters/weights.js'
import { Decoder } from './decoder.js'
import { DecoderLayer } from './decoder-layer.js'
import { decoderFamily, requireWholeHeads } from './generic.js'

const { ropeParameters, ropeScaling, originalMaxPositionEmbeddings } = ropeKeys
const keys = {
  vocabSize: size(50432),
  hiddenSize: size(6144),
  numHiddenLayers: layers(44),
  numAttentionHeads: size(64),
  intermediateSize: size(24576),
  hiddenAct: text('gelu'),
  maxPositionEmbeddings: size(2048),
  layerNormEps: nonNegative(1e-5),
  initializerRange: nonNegative(0.02),
  useParallelResidual: flag(true),
  attentionBias: flag(true),
  attentionDropout: share(0),
  hiddenDropout: share(0),
  classifierDropout: share(0.1),
  ropeParameters,
  ropeScaling,
  originalMaxPositionEmbeddings,
  // The older spelling. rope_theta and partial_rotary_factor, which other families have, transformers does not read.
  rotaryPct: optional(real(0)),
  rotaryEmbBase: optional(real(0)),
} satisfies Keys

function layerOf(weights: Weights, config: Config<typeof keys>, layer: number): DecoderLayer {
  const { hiddenSize: width, numAttentionHeads: heads, layerNormEps: eps, attentionBias: bias } = config
  const weight = normal(config.initializerRange)
  const headDim = width / heads
  return new DecoderLayer({
    norms: {
      beforeMixer: new LayerNorm(weights.at('input_layernorm'), width, { eps }),
      beforeFeedForward: new LayerNorm(weights.at('post_attention_layernorm'), width, { eps }),
    },
    order: config.useParallelResidual ? 'parallel' : 'pre',
    mixer: new Attention(weights.at('attention'), {
      width,
      heads,
      headDim,
      layer,
      scale: headDim ** -0.5,
      causal: true,
      dropout: { weights: config.attentionDropout, output: config.hiddenDropout },
      projections: { fused: { name: 'query_key_value', weight, bias }, columns: 'heads' },
      output: { name: 'dense', weight, bias },
    }),
    feedForward: new Mlp(weights.at('mlp'), {
      width,
      inner: config.intermediateSize,
      activation: activationOf(config.hiddenAct, 'hidden_act'),
      dropout: { output: config.hiddenDropout },
      up: { name: 'dense_h_to_4h', weight },
      down: { name: 'dense_4h_to_h', weight },
    }),
  })
}

/** GPT-NeoX and Pythia (Black et al. 2022): both branches in parallel, a part of each head rotated. */
export const gptNeox = decoderFamily({
  schema: {
    modelType: 'gpt_neox',
    keys,
    defaults: { bosTokenId: 0, eosTokenId: 2, tieWordEmbeddings: false },
    // transformers reads none of them: there is one key head for each query head.
    neutral: ['num_key_value_heads', 'rope_theta', 'partial_rotary_factor'],
    check: requireWholeHeads,
  },
  name: 'GPTNeoX',
  prefix: 'gpt_neox',
  embeddings: 'embed_in',
  build: (weights, config) => {
    const { hiddenSize: width, numHiddenLayers, layerNormEps: eps } = config
    const rope = ropeOptions(withValues(config, { ropeTheta: config.rotaryEmbBase }), {
      headDim: width / config.numAttentionHeads,
      partial: config.rotaryPct ?? 0.25,
    })
    return new Decoder(weights, {
      width,
      embeddings: new TokenEmbeddings(weights, {
        name: 'embed_in',
        rows: config.vocabSize,
        width,
        weight: normal(config.initializerRange),
        dropout: config.hiddenDropout,
      }),
      layers: Array.from({ length: numHiddenLayers }, (_, i) =>
        layerOf(weights.at('layers').at(i), config, i),
      ),
      ropes: Array.from({ length: numHiddenLayers }, () => rope),
      norm: new LayerNorm(weights.at('final_layer_norm'), width, { eps }),
      cache: { layers: numHiddenLayers, keyWidth: width, valueWidth: width },
    })
  },
  heads: {
    tokenClassifier: ({ classifierDropout, initializerRange }) => ({
      name: 'classifier',
      bias: true,
      dropout: classifierDropout,
      weight: normal(initializerRange),
    }),
  },
  checkpoint: {
    stored: (parameter) => (parameter === 'lm_head.weight' ? 'embed_out.weight' : parameter),
    // The causal mask and its value, which older files hold.
    ignored: [/attention\.(bias|masked_bias)$/],
  },
})
