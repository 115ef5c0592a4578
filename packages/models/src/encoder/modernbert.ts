import { ConfigError, type Parameter, type Tensor } from '@tiny/core'
import { activationOf } from '../blocks/activations.js'
import { Attention } from '../blocks/attention.js'
import { drop } from '../blocks/dropout.js'
import { Embedding } from '../blocks/embeddings.js'
import type { Mixer } from '../blocks/mixer.js'
import { Mlp } from '../blocks/mlp.js'
import { LayerNorm } from '../blocks/norms.js'
import type { Pool } from '../blocks/pooling.js'
import { runLayer } from '../blocks/recompute.js'
import { Rope } from '../blocks/rope.js'
import type { SingleBackbone, Stack, StackContext } from '../blocks/stack.js'
import { withValues, type Config } from '../config/config.js'
import {
  flag,
  integer,
  layers,
  nonNegative,
  oneOf,
  optional,
  real,
  share,
  size,
  text,
  type Keys,
} from '../config/keys.js'
import { layerTypesKey, layerTypesOf, type LayerType } from '../config/layer-types.js'
import { ropeKeys, ropeOptions } from '../config/rope.js'
import type { Family, TokenHeadOptions } from '../family.js'
import type { Batch } from '../inputs/batch.js'
import { truncatedNormal } from '../parameters/initialisers.js'
import type { Weights } from '../parameters/weights.js'
import { requireHeads } from './post-norm.js'

const { ropeParameters, ropeScaling } = ropeKeys
const keys = {
  vocabSize: size(50368),
  hiddenSize: size(768),
  intermediateSize: size(1152),
  numHiddenLayers: layers(22),
  numAttentionHeads: size(12),
  hiddenActivation: text('gelu'),
  maxPositionEmbeddings: size(8192),
  initializerRange: nonNegative(0.02),
  initializerCutoffFactor: { ...optional(nonNegative(2)), fallback: 2 },
  normEps: nonNegative(1e-5),
  normBias: flag(false),
  attentionBias: flag(false),
  attentionDropout: share(0),
  layerTypes: layerTypesKey,
  globalAttnEveryNLayers: size(3),
  localAttention: integer(128),
  ropeParameters,
  ropeScaling,
  globalRopeTheta: real(160_000),
  // null: as the global one.
  localRopeTheta: { ...optional(real(10_000)), fallback: 10_000 },
  embeddingDropout: share(0),
  mlpBias: flag(false),
  mlpDropout: share(0),
  decoderBias: flag(true),
  classifierPooling: oneOf(['cls', 'mean'], 'cls'),
  classifierDropout: share(0),
  classifierBias: flag(false),
  classifierActivation: text('gelu'),
  sparsePrediction: flag(false),
  sparsePredIgnoreIndex: { ...integer(-100), read: (value: unknown) => value as number },
} satisfies Keys

export type ModernBertConfig = Config<typeof keys>

/** ModernBERT (Warner et al. 2024). */
export const modernbert: Family<typeof keys> = {
  kind: 'encoder',
  schema: {
    modelType: 'modernbert',
    keys,
    defaults: { padTokenId: 50283, bosTokenId: 50281, eosTokenId: 50282 },
    // How the pretraining code ran it, and settings of its other kinds of layers that transformers never had.
    neutral: [
      'cls_token_id',
      'deterministic_flash_attn',
      'gradient_checkpointing',
      'position_embedding_type',
      'layer_norm_eps',
      'reference_compile',
      'repad_logits_with_grad',
    ],
    check({ hiddenSize, numAttentionHeads, sparsePrediction, sparsePredIgnoreIndex }) {
      requireHeads(hiddenSize, numAttentionHeads)
      // Logits are given for all tokens with sparse prediction, too; the loss is that of the labels that count.
      if (!sparsePrediction || sparsePredIgnoreIndex === -100) return
      throw new ConfigError(
        `sparse_pred_ignore_index ${sparsePredIgnoreIndex} is not -100, the label that counts for nothing here`,
        { key: 'sparse_pred_ignore_index' },
      )
    },
  },
  classes: {
    Base: 'ModernBertModel',
    MaskedLM: 'ModernBertForMaskedLM',
    SequenceClassification: 'ModernBertForSequenceClassification',
    TokenClassification: 'ModernBertForTokenClassification',
    QuestionAnswering: 'ModernBertForQuestionAnswering',
    MultipleChoice: 'ModernBertForMultipleChoice',
  },
  prefix: 'model',
  build: (weights, config) => new ModernBertEncoder(weights, config),
  tokens: ({ vocabSize }) => ({ vocabSize }),
  heads: {
    languageModel: (config) => ({
      decoder: 'decoder',
      bias: config.decoderBias ? 'decoder.bias' : undefined,
      weight: draw(config, 'out'),
      transform: transform(config),
    }),
    sequenceClassifier: (config) => ({ ...classifier(config), pool: poolOf(config, 'firstColumn') }),
    // Of choices, transformers looks for the first column that the mask keeps.
    multipleChoice: (config) => ({ ...classifier(config), pool: poolOf(config, 'first') }),
    tokenClassifier: classifier,
    questionAnswering: classifier,
  },
  checkpoint: {
    // Buffers of the rotary frequencies.
    ignored: [/(^|\.)rotary_emb\./, /\.inv_freq$/],
    tie: {
      embeddings: 'model.embeddings.tok_embeddings.weight',
      head: 'decoder.weight',
      fromFile: ({ tieWordEmbeddings }) => tieWordEmbeddings,
      fresh: ({ tieWordEmbeddings }) => tieWordEmbeddings,
    },
  },
}

/** Products into the layers, out of them, and the last one of a classifier. */
function draw(config: ModernBertConfig, kind: 'in' | 'out' | 'last') {
  const { initializerRange, initializerCutoffFactor, numHiddenLayers, hiddenSize } = config
  const std = {
    in: initializerRange,
    out: initializerRange / Math.sqrt(2 * Math.max(1, numHiddenLayers)),
    last: hiddenSize ** -0.5,
  }[kind]
  return truncatedNormal(std, initializerCutoffFactor ?? 3)
}

const poolOf = ({ classifierPooling }: ModernBertConfig, first: Pool): Pool =>
  classifierPooling === 'mean' ? 'mean' : first

/** What all heads have before their last product. */
const transform = (config: ModernBertConfig) => ({
  dense: { name: 'head.dense', weight: draw(config, 'out'), bias: config.classifierBias },
  activation: activationOf(config.classifierActivation, 'classifier_activation'),
  norm: { name: 'head.norm', eps: config.normEps, bias: config.normBias },
})

function classifier(config: ModernBertConfig): TokenHeadOptions {
  return {
    name: 'classifier',
    bias: true,
    dropout: config.classifierDropout,
    weight: draw(config, 'last'),
    transform: transform(config),
  }
}

/** Frequencies of a kind of layer. A file may have a set for one kind alone; the other's is the default. */
function ropeOf(config: ModernBertConfig, layerType: LayerType) {
  const { globalRopeTheta, localRopeTheta, hiddenSize, numAttentionHeads } = config
  const sets = config.ropeParameters
  const nested = sets !== undefined && Object.values(sets).some((set) => typeof set === 'object')
  return ropeOptions(
    nested
      ? withValues(config, {
          ropeParameters: { ...sets, [layerType]: (sets[layerType] as object | null) ?? {} },
        })
      : config,
    {
      headDim: hiddenSize / numAttentionHeads,
      layerType,
      theta: layerType === 'full_attention' ? globalRopeTheta : (localRopeTheta ?? globalRopeTheta),
    },
  )
}

/** x + attention(LN(x)), x + mlp(LN(x)); the first layer's input is normalised already. */
class ModernBertLayer {
  readonly #attention: Attention
  readonly #attentionNorm: LayerNorm | undefined
  readonly #mlp: Mlp
  readonly #mlpNorm: LayerNorm

  constructor(weights: Weights, config: ModernBertConfig, type: LayerType, layer: number) {
    const { hiddenSize: width, numAttentionHeads: heads, attentionDropout, localAttention } = config
    const norm = { eps: config.normEps, bias: config.normBias }
    const reach = Math.floor(localAttention / 2)
    const bias = config.attentionBias
    this.#attentionNorm = layer === 0 ? undefined : new LayerNorm(weights.at('attn_norm'), width, norm)
    this.#attention = new Attention(weights, {
      width,
      heads,
      headDim: width / heads,
      layer,
      scale: (width / heads) ** -0.5,
      window: type === 'sliding_attention' ? { left: reach, right: reach } : undefined,
      dropout: { weights: attentionDropout, output: attentionDropout },
      projections: { fused: { name: 'attn.Wqkv', weight: draw(config, 'in'), bias } },
      output: { name: 'attn.Wo', weight: draw(config, 'out'), bias },
    })
    this.#mlpNorm = new LayerNorm(weights.at('mlp_norm'), width, norm)
    this.#mlp = new Mlp(weights, {
      width,
      inner: config.intermediateSize,
      activation: activationOf(config.hiddenActivation, 'hidden_activation'),
      bias: config.mlpBias,
      dropout: { inner: config.mlpDropout, output: 0 },
      gate: 'first half',
      up: { name: 'mlp.Wi', weight: draw(config, 'in') },
      down: { name: 'mlp.Wo', weight: draw(config, 'out') },
    })
  }

  apply(x: Tensor, mixer: Mixer, rope: Tensor): Tensor {
    const entering = this.#attentionNorm?.apply(x) ?? x
    const attended = this.#attention.attend(entering, mixer, { rope, residual: x })
    return this.#mlp.apply(this.#mlpNorm.apply(attended), attended)
  }
}

/** Pre-norm layers with rotary positions; most of them see a window, every third all. */
class ModernBertEncoder implements SingleBackbone, Stack {
  readonly width: number
  readonly reaches: boolean
  readonly #words: Embedding
  readonly #norm: LayerNorm
  readonly #dropout: number
  readonly #types: readonly LayerType[]
  readonly #ropes: ReadonlyMap<LayerType, Rope>
  readonly #layers: readonly ModernBertLayer[]
  readonly #finalNorm: LayerNorm

  constructor(weights: Weights, config: ModernBertConfig) {
    const { hiddenSize: width, globalAttnEveryNLayers, padTokenId } = config
    const norm = { eps: config.normEps, bias: config.normBias }
    this.width = width
    this.#dropout = config.embeddingDropout
    this.#words = new Embedding(weights.at('embeddings.tok_embeddings'), config.vocabSize, width, {
      weight: draw(config, 'in'),
      paddingIdx: padTokenId,
    })
    this.#norm = new LayerNorm(weights.at('embeddings.norm'), width, norm)
    this.#types = layerTypesOf(config.layerTypes, config.numHiddenLayers, (layer) =>
      layer % globalAttnEveryNLayers === 0 ? 'full_attention' : 'sliding_attention',
    )
    this.#ropes = new Map(
      [...new Set(this.#types)].map((type) => [type, new Rope(weights, ropeOf(config, type))]),
    )
    this.reaches = [...this.#ropes.values()].some((rope) => rope.reaches)
    this.#layers = this.#types.map(
      (type, layer) => new ModernBertLayer(weights.at('layers').at(layer), config, type, layer),
    )
    this.#finalNorm = new LayerNorm(weights.at('final_norm'), width, norm)
  }

  get stack(): Stack {
    return this
  }

  get embeddings(): Parameter {
    return this.#words.weight
  }

  forward(batch: Batch<Tensor>, mixer: Mixer, { states }: StackContext = {}): Tensor {
    const tables = new Map([...this.#ropes].map(([type, rope]) => [type, rope.table(batch)]))
    let x = drop(this.#norm.apply(this.#words.apply(batch.inputIds)), this.#dropout)
    for (const [i, layer] of this.#layers.entries()) {
      states?.push(x)
      x = runLayer((x) => layer.apply(x, mixer, tables.get(this.#types[i]!)!), x)
    }
    const last = this.#finalNorm.apply(x)
    states?.push(last)
    return last // [tokens, width]
  }
}
