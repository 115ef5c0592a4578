import { ConfigError } from '@tiny/core'
import { activationOf } from '../blocks/activations.js'
import { Attention } from '../blocks/attention.js'
import { TokenEmbeddings } from '../blocks/embeddings.js'
import { Mlp } from '../blocks/mlp.js'
import { LayerNorm } from '../blocks/norms.js'
import type { Config } from '../config/config.js'
import { layers, nonNegative, oneOf, share, size, type Keys } from '../config/keys.js'
import { normal } from '../parameters/initialisers.js'
import type { Weights } from '../parameters/weights.js'
import { Decoder } from './decoder.js'
import { DecoderLayer } from './decoder-layer.js'
import { decoderFamily } from './generic.js'

const keys = {
  vocabSize: size(40478),
  nPositions: size(512, 'maxPositionEmbeddings'),
  nEmbd: size(768, 'hiddenSize'),
  nLayer: layers(12, 'numHiddenLayers'),
  nHead: size(12, 'numAttentionHeads'),
  afn: oneOf(['gelu', 'relu', 'silu', 'swish'], 'gelu'),
  residPdrop: share(0.1),
  embdPdrop: share(0.1),
  attnPdrop: share(0.1),
  layerNormEpsilon: nonNegative(1e-5),
  initializerRange: nonNegative(0.02),
} satisfies Keys

/** Keys of a head that neither GPT here has, and of other families. */
export const summaryKeys = [
  'intermediate_size',
  'n_ctx',
  'num_key_value_heads',
  'summary_activation',
  'summary_first_dropout',
  'summary_proj_to_labels',
  'summary_type',
  'summary_use_proj',
]

function layerOf(weights: Weights, config: Config<typeof keys>, layer: number): DecoderLayer {
  const { nEmbd: width, nHead: heads, layerNormEpsilon: eps, afn } = config
  const weight = normal(0.02) // whatever initializer_range is: as transformers' Conv1D draws itself
  const headDim = width / heads
  const mixer = new Attention(weights.at('attn'), {
    width,
    heads,
    headDim,
    layer,
    scale: headDim ** -0.5,
    causal: true,
    blind: 'tokens',
    dropout: { weights: config.attnPdrop, output: config.residPdrop },
    projections: { fused: { name: 'c_attn', weight, layout: 'conv1d' } },
    output: { name: 'c_proj', weight, layout: 'conv1d' },
  })
  const afterMixer = new LayerNorm(weights.at('ln_1'), width, { eps })
  const feedForward = new Mlp(weights.at('mlp'), {
    width,
    inner: 4 * width,
    activation: activationOf(afn === 'gelu' ? 'gelu_new' : afn, 'afn'),
    layout: 'conv1d',
    dropout: { output: config.residPdrop },
    up: { name: 'c_fc', weight },
    down: { name: 'c_proj', weight },
  })
  const afterFeedForward = new LayerNorm(weights.at('ln_2'), width, { eps })
  return new DecoderLayer({ order: 'post', norms: { afterMixer, afterFeedForward }, mixer, feedForward })
}

/** GPT (Radford et al. 2018): norms behind the sums, learned positions. */
export const openaiGpt = decoderFamily({
  schema: {
    modelType: 'openai-gpt',
    keys,
    defaults: { tieWordEmbeddings: true },
    neutral: [...summaryKeys, 'predict_special_tokens'],
    check({ nEmbd, nHead }) {
      if (nEmbd % nHead === 0) return
      throw new ConfigError(`n_embd ${nEmbd} is not a multiple of n_head ${nHead}`, { key: 'n_embd' })
    },
  },
  name: 'OpenAIGPT',
  classes: { CausalLM: 'OpenAIGPTLMHeadModel' },
  tasks: ['CausalLM', 'SequenceClassification'],
  prefix: 'transformer',
  embeddings: 'tokens_embed',
  tokens: ({ nPositions }) => ({ maxPositions: nPositions }),
  build: (weights, config) => {
    const { nEmbd: width, nLayer, nPositions } = config
    return new Decoder(weights, {
      width,
      embeddings: new TokenEmbeddings(weights, {
        name: 'tokens_embed',
        rows: config.vocabSize,
        width,
        weight: normal(config.initializerRange),
        positions: { name: 'positions_embed', rows: nPositions },
        dropout: config.embdPdrop,
      }),
      layers: Array.from({ length: nLayer }, (_, i) => layerOf(weights.at('h').at(i), config, i)),
      cache: { layers: nLayer, keyWidth: width, valueWidth: width },
    })
  },
  // Positions and the causal mask, which older files hold.
  checkpoint: { ignored: [/(^|\.)position_ids$/, /(^|\.)h\.\d+\.attn\.bias$/] },
})
