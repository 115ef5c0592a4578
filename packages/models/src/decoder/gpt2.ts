import { ConfigError, type Tensor } from '@tiny/core'
import { activationOf } from '../blocks/activations.js'
import { Attention } from '../blocks/attention.js'
import { drop } from '../blocks/dropout.js'
import { Embedding } from '../blocks/embeddings.js'
import type { Mixer } from '../blocks/mixer.js'
import { Mlp } from '../blocks/mlp.js'
import { LayerNorm } from '../blocks/norms.js'
import { runLayer } from '../blocks/recompute.js'
import type { CacheShape, SingleBackbone, Stack, StackContext } from '../blocks/stack.js'
import type { Config } from '../config/config.js'
import { flag, layers, nonNegative, optional, share, size, text, type Keys } from '../config/keys.js'
import type { Family } from '../family.js'
import type { Batch } from '../inputs/batch.js'
import { normal } from '../parameters/initialisers.js'
import type { Weights } from '../parameters/weights.js'
import { alwaysCausal } from './causal.js'

const keys = {
  vocabSize: size(50257),
  nPositions: size(1024, 'maxPositionEmbeddings'),
  nEmbd: size(768, 'hiddenSize'),
  nLayer: layers(12, 'numHiddenLayers'),
  nHead: size(12, 'numAttentionHeads'),
  nInner: optional(size(0)),
  activationFunction: text('gelu_new'),
  residPdrop: share(0.1),
  embdPdrop: share(0.1),
  attnPdrop: share(0.1),
  layerNormEpsilon: nonNegative(1e-5),
  initializerRange: nonNegative(0.02),
  scaleAttnWeights: flag(true),
  scaleAttnByInverseLayerIdx: flag(false),
  // Another order of the same operations, which float32 scores do not need.
  reorderAndUpcastAttn: flag(false),
  classifierDropout: optional(share(0)),
  hiddenDropout: optional(share(0)),
  isCausal: alwaysCausal,
} satisfies Keys

export type Gpt2Config = Config<typeof keys>

/** Pre-norm: x = x + attention(LN(x)), x = x + mlp(LN(x)). */
class Gpt2Block {
  readonly #attentionNorm: LayerNorm
  readonly #attention: Attention
  readonly #mlpNorm: LayerNorm
  readonly #mlp: Mlp

  constructor(weights: Weights, config: Gpt2Config, layer: number) {
    const { nEmbd: width, nHead: heads, initializerRange, layerNormEpsilon: eps } = config
    const weight = normal(initializerRange)
    // Two branches a layer add up: their last products start smaller (Radford et al. 2019).
    const residual = normal(initializerRange / Math.sqrt(2 * config.nLayer))
    const headDim = width / heads
    const scale =
      (config.scaleAttnWeights ? headDim ** -0.5 : 1) / (config.scaleAttnByInverseLayerIdx ? layer + 1 : 1)
    this.#attentionNorm = new LayerNorm(weights.at('ln_1'), width, { eps })
    this.#attention = new Attention(weights.at('attn'), {
      width,
      heads,
      headDim,
      scale,
      layer,
      causal: true,
      dropout: { weights: config.attnPdrop, output: config.residPdrop },
      projections: { fused: { name: 'c_attn', weight, layout: 'conv1d' } },
      output: { name: 'c_proj', weight: residual, layout: 'conv1d' },
    })
    this.#mlpNorm = new LayerNorm(weights.at('ln_2'), width, { eps })
    this.#mlp = new Mlp(weights.at('mlp'), {
      width,
      inner: config.nInner ?? 4 * width,
      activation: activationOf(config.activationFunction, 'activation_function'),
      layout: 'conv1d',
      dropout: { output: config.residPdrop },
      up: { name: 'c_fc', weight },
      down: { name: 'c_proj', weight: residual },
    })
  }

  apply(x: Tensor, mixer: Mixer): Tensor {
    const attended = this.#attention.attend(this.#attentionNorm.apply(x), mixer, { residual: x })
    return this.#mlp.apply(this.#mlpNorm.apply(attended), attended)
  }
}

/** GPT-2 (Radford et al. 2019): a decoder with learned positions. */
export class Gpt2Model implements SingleBackbone, Stack {
  readonly width: number
  readonly cache: CacheShape
  readonly #words: Embedding
  readonly #positions: Embedding
  readonly #blocks: readonly Gpt2Block[]
  readonly #norm: LayerNorm
  readonly #dropout: number

  constructor(weights: Weights, config: Gpt2Config) {
    const { nEmbd: width, initializerRange } = config
    const weight = normal(initializerRange)
    this.width = width
    this.cache = { layers: config.nLayer, keyWidth: width, valueWidth: width }
    this.#words = new Embedding(weights.at('wte'), config.vocabSize, width, { weight })
    this.#positions = new Embedding(weights.at('wpe'), config.nPositions, width, { weight })
    this.#blocks = Array.from(
      { length: config.nLayer },
      (_, i) => new Gpt2Block(weights.at('h').at(i), config, i),
    )
    this.#norm = new LayerNorm(weights.at('ln_f'), width, { eps: config.layerNormEpsilon })
    this.#dropout = config.embdPdrop
  }

  get stack(): Stack {
    return this
  }

  get embeddings() {
    return this.#words.weight
  }

  forward(batch: Batch<Tensor>, mixer: Mixer, { states }: StackContext = {}): Tensor {
    let x = drop(this.#words.apply(batch.inputIds).add(this.#positions.apply(batch.positions)), this.#dropout)
    for (const block of this.#blocks) {
      states?.push(x)
      x = runLayer((x) => block.apply(x, mixer), x)
    }
    x = this.#norm.apply(x)
    states?.push(x)
    return x // [tokens, width]
  }
}

export const gpt2: Family<typeof keys> = {
  kind: 'decoder',
  schema: {
    modelType: 'gpt2',
    keys,
    defaults: { bosTokenId: 50256, eosTokenId: 50256 },
    neutral: [
      'is_decoder',
      'n_ctx',
      'summary_activation',
      'summary_first_dropout',
      'summary_proj_to_labels',
      'summary_type',
      'summary_use_proj',
    ],
    check({ nEmbd, nHead }) {
      if (nEmbd % nHead === 0) return
      throw new ConfigError(`n_embd ${nEmbd} is not a multiple of n_head ${nHead}`, { key: 'n_embd' })
    },
  },
  classes: {
    Base: 'GPT2Model',
    CausalLM: 'GPT2LMHeadModel',
    SequenceClassification: 'GPT2ForSequenceClassification',
    TokenClassification: 'GPT2ForTokenClassification',
    QuestionAnswering: 'GPT2ForQuestionAnswering',
  },
  prefix: 'transformer',
  build: (weights, config) => new Gpt2Model(weights, config),
  tokens: ({ vocabSize, nPositions }) => ({ vocabSize, maxPositions: nPositions }),
  heads: {
    languageModel: ({ initializerRange }) => ({ decoder: 'lm_head', weight: normal(initializerRange) }),
    sequenceClassifier: ({ initializerRange }) => ({
      pool: 'last',
      name: 'score',
      bias: false,
      dropout: 0,
      weight: normal(initializerRange),
    }),
    tokenClassifier: ({ initializerRange, classifierDropout, hiddenDropout }) => ({
      name: 'classifier',
      bias: true,
      dropout: classifierDropout ?? hiddenDropout ?? 0.1,
      weight: normal(initializerRange),
    }),
    questionAnswering: ({ initializerRange }) => ({
      name: 'qa_outputs',
      bias: true,
      dropout: 0,
      weight: normal(initializerRange),
    }),
  },
  checkpoint: {
    // The causal mask and its value, which older files hold.
    ignored: [/(^|\.)h\.\d+\.attn\.(bias|masked_bias)$/],
    tie: {
      embeddings: 'transformer.wte.weight',
      head: 'lm_head.weight',
      fromFile: ({ tieWordEmbeddings }) => tieWordEmbeddings,
      fresh: ({ tieWordEmbeddings }) => tieWordEmbeddings,
    },
  },
}
