import { ConfigError, type Tensor } from '@tiny/core'
import { activationOf } from '../blocks/activations.js'
import { Attention } from '../blocks/attention.js'
import { TokenEmbeddings } from '../blocks/embeddings.js'
import { Linear } from '../blocks/linear.js'
import { Mlp } from '../blocks/mlp.js'
import { layerNorms, plainLayerNorms, type MakeNorm } from '../blocks/norms.js'
import type { Config } from '../config/config.js'
import { flag, layers, optional, share, size, text, nonNegative, type Keys } from '../config/keys.js'
import { normal } from '../parameters/initialisers.js'
import type { Weights } from '../parameters/weights.js'
import { Decoder } from './decoder.js'
import { DecoderLayer } from './decoder-layer.js'
import { decoderFamily, requireWholeHeads } from './generic.js'

const keys = {
  vocabSize: size(50272),
  hiddenSize: size(768),
  numHiddenLayers: layers(12),
  ffnDim: size(3072),
  numAttentionHeads: size(12),
  maxPositionEmbeddings: size(2048),
  doLayerNormBefore: flag(true),
  _removeFinalLayerNorm: flag(false),
  wordEmbedProjDim: optional(size(0)),
  dropout: share(0.1),
  attentionDropout: share(0),
  layerdrop: share(0),
  activationFunction: text('relu'),
  initStd: nonNegative(0.02),
  enableBias: flag(true),
  layerNormElementwiseAffine: flag(true),
} satisfies Keys

/** Rows of the table of positions before that of the first token. */
const offset = 2
const eps = 1e-5

const normOf = ({ layerNormElementwiseAffine }: Config<typeof keys>): MakeNorm =>
  layerNormElementwiseAffine ? layerNorms({ eps }) : plainLayerNorms(eps)

function layerOf(weights: Weights, config: Config<typeof keys>, layer: number): DecoderLayer {
  const { hiddenSize: width, numAttentionHeads: heads, enableBias: bias, dropout, doLayerNormBefore } = config
  const weight = normal(config.initStd)
  const headDim = width / heads
  const projection = (name: string) => ({ name, weight, bias })
  const mixer = new Attention(weights.at('self_attn'), {
    width,
    heads,
    headDim,
    layer,
    scale: headDim ** -0.5,
    causal: true,
    dropout: { weights: config.attentionDropout, output: dropout },
    projections: { query: projection('q_proj'), key: projection('k_proj'), value: projection('v_proj') },
    output: projection('out_proj'),
  })
  const norm = normOf(config)
  const mixerNorm = norm(weights.at('self_attn_layer_norm'), width)
  const feedForward = new Mlp(weights, {
    width,
    inner: config.ffnDim,
    activation: activationOf(config.activationFunction, 'activation_function'),
    bias,
    dropout: { output: dropout },
    up: { name: 'fc1', weight },
    down: { name: 'fc2', weight },
  })
  const lastNorm = norm(weights.at('final_layer_norm'), width)
  return doLayerNormBefore
    ? new DecoderLayer({ norms: { beforeMixer: mixerNorm, beforeFeedForward: lastNorm }, mixer, feedForward })
    : new DecoderLayer({
        order: 'post',
        norms: { afterMixer: mixerNorm, afterFeedForward: lastNorm },
        mixer,
        feedForward,
      })
}

/** OPT (Zhang et al. 2022) and Galactica: learned positions that count real tokens. */
export const opt = decoderFamily({
  schema: {
    modelType: 'opt',
    keys,
    defaults: { padTokenId: 1, bosTokenId: 2, eosTokenId: 2, tieWordEmbeddings: true },
    // transformers reads none of them.
    neutral: ['activation_dropout', 'intermediate_size', 'learned_embeddings', 'num_key_value_heads'],
    check(config) {
      requireWholeHeads(config)
      if (config.layerdrop === 0) return
      throw new ConfigError(`layerdrop ${config.layerdrop}: training that drops whole layers is not there`, {
        key: 'layerdrop',
      })
    },
  },
  name: 'OPT',
  tasks: ['CausalLM', 'SequenceClassification', 'QuestionAnswering'],
  embeddings: 'decoder.embed_tokens',
  initializer: ({ initStd }) => normal(initStd),
  tokens: ({ maxPositionEmbeddings }) => ({
    maxPositions: maxPositionEmbeddings + offset,
    positions: { rule: 'mask', offset },
  }),
  build: (root, config) => {
    const weights = root.at('decoder')
    const { hiddenSize: width, numHiddenLayers, wordEmbedProjDim: outer = width, padTokenId } = config
    const weight = normal(config.initStd)
    const embeddings = new TokenEmbeddings(weights, {
      name: 'embed_tokens',
      rows: config.vocabSize,
      width: outer,
      weight,
      paddingIdx: padTokenId,
      positions: { name: 'embed_positions', rows: config.maxPositionEmbeddings + offset },
      projection: outer === width ? undefined : { name: 'project_in', width },
    })
    const projection =
      outer === width
        ? undefined
        : new Linear(weights.at('project_out'), width, outer, { weight, bias: false })
    const normed = config.doLayerNormBefore && !config._removeFinalLayerNorm
    const norm = normed ? normOf(config)(weights.at('final_layer_norm'), width) : undefined
    const final = {
      apply(x: Tensor): Tensor {
        const last = norm === undefined ? x : norm.apply(x)
        return projection === undefined ? last : projection.apply(last)
      },
    }
    return new Decoder(weights, {
      width: outer,
      embeddings,
      layers: Array.from({ length: numHiddenLayers }, (_, i) =>
        layerOf(weights.at('layers').at(i), config, i),
      ),
      norm: final,
      cache: { layers: numHiddenLayers, keyWidth: width, valueWidth: width },
    })
  },
})
