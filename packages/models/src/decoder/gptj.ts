import { ConfigError } from '@tiny/core'
import { activationOf } from '../blocks/activations.js'
import { Attention } from '../blocks/attention.js'
import { TokenEmbeddings } from '../blocks/embeddings.js'
import { Mlp } from '../blocks/mlp.js'
import { LayerNorm } from '../blocks/norms.js'
import type { Config } from '../config/config.js'
import { layers, nonNegative, optional, orNone, share, size, text, type Keys } from '../config/keys.js'
import { ropeOptions } from '../config/rope.js'
import { normal } from '../parameters/initialisers.js'
import type { Weights } from '../parameters/weights.js'
import { Decoder } from './decoder.js'
import { DecoderLayer } from './decoder-layer.js'
import { decoderFamily } from './generic.js'
import { summaryKeys } from './openai-gpt.js'

const keys = {
  vocabSize: size(50400),
  nPositions: size(2048, 'maxPositionEmbeddings'),
  nEmbd: size(4096, 'hiddenSize'),
  nLayer: layers(28, 'numHiddenLayers'),
  nHead: size(16, 'numAttentionHeads'),
  /** Columns of each head that are rotated; null means all. */
  rotaryDim: orNone(size(64)),
  nInner: optional(size(0)),
  activationFunction: text('gelu_new'),
  residPdrop: share(0),
  embdPdrop: share(0),
  attnPdrop: share(0),
  layerNormEpsilon: nonNegative(1e-5),
  initializerRange: nonNegative(0.02),
} satisfies Keys

function layerOf(weights: Weights, config: Config<typeof keys>, layer: number): DecoderLayer {
  const { nEmbd: width, nHead: heads, residPdrop } = config
  const weight = normal(config.initializerRange)
  const headDim = width / heads
  const projection = (name: string) => ({ name, weight, bias: false })
  return new DecoderLayer({
    order: 'parallel',
    norms: { beforeMixer: new LayerNorm(weights.at('ln_1'), width, { eps: config.layerNormEpsilon }) },
    mixer: new Attention(weights.at('attn'), {
      width,
      heads,
      headDim,
      layer,
      scale: headDim ** -0.5,
      causal: true,
      interleaved: true,
      dropout: { weights: config.attnPdrop, output: residPdrop },
      projections: {
        query: projection('q_proj'),
        key: projection('k_proj'),
        value: projection('v_proj'),
      },
      output: projection('out_proj'),
    }),
    feedForward: new Mlp(weights.at('mlp'), {
      width,
      inner: config.nInner ?? 4 * width,
      activation: activationOf(config.activationFunction, 'activation_function'),
      dropout: { output: residPdrop },
      up: { name: 'fc_in', weight },
      down: { name: 'fc_out', weight },
    }),
  })
}

/** GPT-J (Wang and Komatsuzaki 2021): both branches from one norm, neighbouring columns rotated. */
export const gptj = decoderFamily({
  schema: {
    modelType: 'gptj',
    keys,
    defaults: { bosTokenId: 50256, eosTokenId: 50256, tieWordEmbeddings: false },
    neutral: [...summaryKeys, 'rotary', 'scale_attn_weights'],
    check({ nEmbd, nHead, rotaryDim }) {
      if (nEmbd % nHead !== 0) {
        throw new ConfigError(`n_embd ${nEmbd} is not a multiple of n_head ${nHead}`, { key: 'n_embd' })
      }
      if (rotaryDim === undefined || (rotaryDim <= nEmbd / nHead && rotaryDim % 2 === 0)) return
      throw new ConfigError(`rotary_dim ${rotaryDim} is no even part of heads of ${nEmbd / nHead}`, {
        key: 'rotary_dim',
      })
    },
  },
  name: 'GPTJ',
  tasks: ['CausalLM', 'SequenceClassification', 'QuestionAnswering'],
  prefix: 'transformer',
  embeddings: 'wte',
  tokens: ({ nPositions }) => ({ maxPositions: nPositions }),
  languageModel: () => ({ bias: 'lm_head.bias' }),
  build: (weights, config) => {
    const { nEmbd: width, nLayer, nHead, nPositions, rotaryDim } = config
    const rope = ropeOptions({ maxPositionEmbeddings: nPositions }, { headDim: rotaryDim ?? width / nHead })
    return new Decoder(weights, {
      width,
      embeddings: new TokenEmbeddings(weights, {
        name: 'wte',
        rows: config.vocabSize,
        width,
        weight: normal(config.initializerRange),
        dropout: config.embdPdrop,
      }),
      layers: Array.from({ length: nLayer }, (_, i) => layerOf(weights.at('h').at(i), config, i)),
      ropes: Array.from({ length: nLayer }, () => rope),
      norm: new LayerNorm(weights.at('ln_f'), width, { eps: config.layerNormEpsilon }),
      cache: { layers: nLayer, keyWidth: width, valueWidth: width },
    })
  },
  // The causal mask, its value and sines, which older files hold.
  checkpoint: { ignored: [/(^|\.)h\.\d+\.attn\.(bias|masked_bias|embed_positions)$/] },
})
