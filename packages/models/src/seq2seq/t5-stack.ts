import type { Parameter, Tensor } from '@tiny/core'
import { activationOf } from '../blocks/activations.js'
import { Attention, type AttentionOptions } from '../blocks/attention.js'
import { drop } from '../blocks/dropout.js'
import { Embedding } from '../blocks/embeddings.js'
import type { CrossMixer, Mixer, Scores } from '../blocks/mixer.js'
import { Mlp } from '../blocks/mlp.js'
import { RmsNorm } from '../blocks/norms.js'
import { RelativeBias } from '../blocks/relative-bias.js'
import { runLayer } from '../blocks/recompute.js'
import type {
  CacheShape,
  CrossStack,
  PairBackbone,
  SingleBackbone,
  Stack,
  StackContext,
} from '../blocks/stack.js'
import type { Config } from '../config/config.js'
import {
  flag,
  layers as layerCount,
  nonNegative,
  optional,
  share,
  size,
  text,
  type Keys,
  type ValuesOf,
} from '../config/keys.js'
import type { Batch } from '../inputs/batch.js'
import { normal } from '../parameters/initialisers.js'
import type { Weights } from '../parameters/weights.js'

/** Keys of T5 and of those that are like it. */
export const t5Keys = {
  vocabSize: size(32128),
  dModel: size(512, 'hiddenSize'),
  dKv: size(64, 'headDim'),
  dFf: size(2048),
  numLayers: layerCount(6, 'numHiddenLayers'),
  numDecoderLayers: optional(layerCount(6)),
  numHeads: size(8, 'numAttentionHeads'),
  relativeAttentionNumBuckets: size(32),
  relativeAttentionMaxDistance: size(128),
  dropoutRate: share(0.1),
  layerNormEpsilon: nonNegative(1e-6),
  initializerFactor: nonNegative(1),
  feedForwardProj: text('relu'),
  denseActFn: optional(text('relu')),
  isGatedAct: optional(flag(false)),
  classifierDropout: share(0),
} satisfies Keys

export type T5LikeConfig = Config<typeof t5Keys>

/** x + attention(RMS(x)), over the stack itself or over the encoder. No biases, and scores are not scaled. */
function attentionOf(weights: Weights, config: T5LikeConfig, layer: number, causal: boolean): Attention {
  const { dModel: width, dKv: headDim, numHeads: heads, initializerFactor: factor, dropoutRate } = config
  const linear = (name: string, std: number) => ({ name, bias: false, weight: normal(factor * std) })
  const options: AttentionOptions = {
    width,
    heads,
    headDim,
    scale: 1,
    causal,
    layer,
    dropout: { weights: dropoutRate, output: dropoutRate },
    projections: {
      query: linear('q', (width * headDim) ** -0.5),
      key: linear('k', width ** -0.5),
      value: linear('v', width ** -0.5),
    },
    output: linear('o', (heads * headDim) ** -0.5),
  }
  return new Attention(weights, options)
}

/**
 * `feed_forward_proj` names an activation, behind 'gated-' where there is a gate, unless `dense_act_fn` and
 * `is_gated_act`, which transformers derives from it and writes beside it, say otherwise.
 */
export function feedForward(config: FeedForwardKeys): { gated: boolean; activation: string } {
  const { feedForwardProj: proj, denseActFn, isGatedAct } = config
  const derived = proj.startsWith('gated-')
  const name = derived ? proj.slice('gated-'.length) : proj
  // 'gated-gelu' is the tanh approximation, 'gelu' alone the exact one.
  return {
    gated: isGatedAct ?? derived,
    activation: denseActFn ?? (derived && name === 'gelu' ? 'gelu_new' : name),
  }
}

type FeedForwardKeys = Pick<ValuesOf<typeof t5Keys>, 'feedForwardProj' | 'denseActFn' | 'isGatedAct'>

/** The feed-forward branch. */
function mlpOf(weights: Weights, config: T5LikeConfig): Mlp {
  const { dModel: width, dFf: inner, initializerFactor: factor, dropoutRate } = config
  const { gated, activation } = feedForward(config)
  const into = { weight: normal(factor * width ** -0.5) }
  return new Mlp(weights, {
    width,
    inner,
    bias: false,
    activation: activationOf(activation, 'feed_forward_proj'),
    dropout: { inner: dropoutRate, output: dropoutRate },
    ...(gated
      ? { gate: { name: 'wi_0', ...into }, up: { name: 'wi_1', ...into } }
      : { up: { name: 'wi', ...into } }),
    down: { name: 'wo', weight: normal(factor * inner ** -0.5) },
  })
}

/** Pre-norm branches: self-attention, in a decoder attention to the encoder, and the feed-forward part. */
class T5Block {
  readonly #norm: RmsNorm
  readonly #attention: Attention
  /** The first block's, which the whole stack shares, or one of its own. */
  readonly relative: RelativeBias | undefined
  readonly #crossNorm: RmsNorm | undefined
  readonly cross: Attention | undefined
  readonly #mlpNorm: RmsNorm
  readonly #mlp: Mlp

  constructor(
    weights: Weights,
    config: T5LikeConfig,
    options: { layer: number; decoder: boolean; relativeInEach: boolean },
  ) {
    const { layer, decoder, relativeInEach } = options
    const norm = (index: number) =>
      new RmsNorm(weights.at(`layer.${index}.layer_norm`), config.dModel, { eps: config.layerNormEpsilon })
    const self = weights.at('layer.0.SelfAttention')
    this.#attention = attentionOf(self, config, layer, decoder)
    this.relative =
      layer > 0 && !relativeInEach
        ? undefined
        : new RelativeBias(self.at('relative_attention_bias'), config.numHeads, {
            buckets: config.relativeAttentionNumBuckets,
            maxDistance: config.relativeAttentionMaxDistance,
            bidirectional: !decoder,
            std: config.initializerFactor * config.dModel ** -0.5,
          })
    this.#norm = norm(0)
    if (decoder) {
      this.cross = attentionOf(weights.at('layer.1.EncDecAttention'), config, layer, false)
      this.#crossNorm = norm(1)
    }
    const last = decoder ? 2 : 1
    this.#mlp = mlpOf(weights.at(`layer.${last}.DenseReluDense`), config)
    this.#mlpNorm = norm(last)
  }

  apply(x: Tensor, mixer: Mixer, relative: Scores['relative'], encoder?: CrossMixer): Tensor {
    x = this.#attention.attend(this.#norm.apply(x), mixer, { relative, residual: x })
    if (this.cross && encoder)
      x = this.cross.attendAcross(this.#crossNorm!.apply(x), encoder, { residual: x })
    return this.#mlp.apply(this.#mlpNorm.apply(x), x)
  }
}

class T5Stack implements CrossStack {
  readonly #words: Embedding
  readonly #blocks: readonly T5Block[]
  readonly #norm: RmsNorm
  readonly #dropout: number

  constructor(
    weights: Weights,
    config: T5LikeConfig,
    words: Embedding,
    options: { layers: number; decoder: boolean; relativeInEach: boolean },
  ) {
    const { layers, decoder, relativeInEach } = options
    this.#words = words
    this.#blocks = Array.from(
      { length: layers },
      (_, layer) => new T5Block(weights.at('block').at(layer), config, { layer, decoder, relativeInEach }),
    )
    this.#norm = new RmsNorm(weights.at('final_layer_norm'), config.dModel, { eps: config.layerNormEpsilon })
    this.#dropout = config.dropoutRate
  }

  forward(batch: Batch<Tensor>, mixer: Mixer, { states, cross }: StackContext = {}): Tensor {
    let relative: Scores['relative']
    let x = drop(this.#words.apply(batch.inputIds), this.#dropout)
    for (const block of this.#blocks) {
      states?.push(x)
      relative = block.relative?.scores() ?? relative
      const nearby = relative
      x = runLayer((x) => block.apply(x, mixer, nearby, cross), x)
    }
    x = drop(this.#norm.apply(x), this.#dropout)
    states?.push(x)
    return x // [tokens, d_model]
  }

  keysAndValues(encoder: Tensor): [k: Tensor, v: Tensor][] {
    return this.#blocks.map(({ cross }) => cross!.keysAndValues(encoder))
  }
}

export interface T5Options {
  /** Whether every layer has relative positions of its own (UMT5), not the first one's. */
  readonly relativeInEach?: boolean
}

const encoderOf = (
  weights: Weights,
  config: T5LikeConfig,
  shared: Embedding,
  { relativeInEach = false }: T5Options,
) =>
  new T5Stack(weights.at('encoder'), config, wordsOf(weights, config, 'encoder', shared), {
    layers: config.numLayers,
    decoder: false,
    relativeInEach,
  })

const table = (weights: Weights, { vocabSize, dModel, initializerFactor }: T5LikeConfig) =>
  new Embedding(weights, vocabSize, dModel, { weight: normal(initializerFactor) })

/** A side's table of tokens: the shared one, unless a file has one that differs. */
const wordsOf = (weights: Weights, config: T5LikeConfig, side: 'encoder' | 'decoder', shared: Embedding) => {
  const own = `${side}.embed_tokens`
  return weights.differs(`${own}.weight`) ? table(weights.at(own), config) : shared
}

/** T5's encoder alone. */
export class T5Encoder implements SingleBackbone {
  readonly width: number
  readonly embeddings: Parameter
  readonly stack: Stack

  constructor(weights: Weights, config: T5LikeConfig, options: T5Options = {}) {
    const shared = table(weights.at('shared'), config)
    this.width = config.dModel
    this.embeddings = shared.weight
    this.stack = encoderOf(weights, config, shared, options)
  }
}

/** T5 (Raffel et al. 2020): an encoder–decoder with relative positions. */
export class T5Model implements PairBackbone {
  readonly width: number
  readonly cache: CacheShape
  readonly embeddings: Parameter
  readonly encoder: Stack
  readonly decoder: CrossStack

  constructor(weights: Weights, config: T5LikeConfig, options: T5Options = {}) {
    const { dModel, dKv, numHeads, numLayers } = config
    const { relativeInEach = false } = options
    const layers = config.numDecoderLayers ?? numLayers
    const shared = table(weights.at('shared'), config)
    this.width = dModel
    this.cache = { layers, keyWidth: numHeads * dKv, valueWidth: numHeads * dKv }
    this.embeddings = shared.weight
    this.encoder = encoderOf(weights, config, shared, options)
    this.decoder = new T5Stack(weights.at('decoder'), config, wordsOf(weights, config, 'decoder', shared), {
      layers,
      decoder: true,
      relativeInEach,
    })
  }
}
