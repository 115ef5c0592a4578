import { activationOf } from '../blocks/activations.js'
import { Attention, type AttentionOptions } from '../blocks/attention.js'
import { TokenEmbeddings } from '../blocks/embeddings.js'
import type { Window } from '../blocks/mixer.js'
import { Mlp } from '../blocks/mlp.js'
import { rmsNorms, type MakeNorm } from '../blocks/norms.js'
import type { RopeOptions } from '../blocks/rope.js'
import type { Balance, CacheShape } from '../blocks/stack.js'
import {
  flag,
  layers,
  nonNegative,
  optional,
  share,
  size,
  text,
  type Keys,
  type ValuesOf,
} from '../config/keys.js'
import { ropeKeys, ropeOptions } from '../config/rope.js'
import { normal } from '../parameters/initialisers.js'
import type { Weights } from '../parameters/weights.js'
import { notCausal } from './causal.js'
import { Decoder } from './decoder.js'
import { DecoderLayer, type DecoderLayerOptions, type FeedForward, type TokenMixer } from './decoder-layer.js'

/** Keys that LLaMA and its relatives share, with LLaMA's defaults. A family spreads them and replaces what differs. */
export const denseKeys = {
  vocabSize: size(32000),
  hiddenSize: size(4096),
  intermediateSize: size(11008),
  numHiddenLayers: layers(32),
  numAttentionHeads: size(32),
  numKeyValueHeads: optional(size(0)),
  headDim: optional(size(0)),
  hiddenAct: text('silu'),
  maxPositionEmbeddings: size(2048),
  initializerRange: nonNegative(0.02),
  rmsNormEps: nonNegative(1e-6),
  attentionDropout: share(0),
  /** Before the scores of tokens' classes. */
  classifierDropout: optional(share(0)),
  hiddenDropout: optional(share(0)),
  isCausal: flag(true),
  ...ropeKeys,
} satisfies Keys

/** `attention_bias` and `mlp_bias`, of families that read them. */
export const biasKeys = { attentionBias: flag(false), mlpBias: flag(false) } satisfies Keys

/** Keys of older files that change nothing. */
export const denseNeutral = ['pretraining_tp', 'max_sequence_length']

/** What `denseDecoder` reads of a configuration; every other choice is the family's. */
export type DenseConfig = Omit<ValuesOf<typeof denseKeys>, 'rmsNormEps' | 'hiddenAct'> & {
  readonly rmsNormEps?: number
  readonly hiddenAct?: string
  readonly padTokenId: number | undefined
  readonly attentionBias?: boolean
  readonly mlpBias?: boolean
}

/** Names of a layer's norms; those that a family does not have are left out. */
type NormNames = Partial<Record<keyof DecoderLayerOptions['norms'], string>>

/** Where a family departs from LLaMA. Functions are asked for each layer. */
export interface DenseDesign {
  readonly norm?: MakeNorm
  readonly norms?: NormNames
  readonly order?: DecoderLayerOptions['order']
  readonly residualMultiplier?: number
  readonly embeddingScale?: number
  readonly embeddingScaleRounded?: boolean
  /** Of queries, keys and values; and of the output. `attention_bias` unless given. */
  readonly bias?: { readonly qkv: boolean; readonly output: boolean }
  readonly attention?: (layer: number) => Partial<AttentionOptions>
  /** In place of a layer's attention, from the layer's weights. */
  readonly mixer?: (weights: Weights, layer: number) => TokenMixer | undefined
  /** What a layer keeps of a token, where it is not attention's; null where tokens see what follows them. */
  readonly cache?: Partial<Omit<CacheShape, 'layers'>> | null
  /** null for a layer without positions (NoPE). The configuration's one set for all unless given. */
  readonly rope?: (layer: number) => RopeOptions | null
  readonly feedForward?: (weights: Weights, layer: number) => FeedForward
  readonly balance?: Balance | undefined
  /** What training drops of attention's output, and of the feed-forward part's. */
  readonly dropout?: { readonly attention: number; readonly feedForward: number }
  readonly embeddingDropout?: number
  readonly finalNorm?: string
}

/** Width of one head; columns that are left over belong to none, as in transformers. */
export const headDimOf = ({
  headDim,
  hiddenSize,
  numAttentionHeads,
}: Pick<DenseConfig, 'headDim' | 'hiddenSize' | 'numAttentionHeads'>): number =>
  headDim ?? Math.floor(hiddenSize / numAttentionHeads)

/** A decoder like LLaMA (Touvron et al. 2023): norms before the branches, rotary positions, shared key heads, a gate. */
export function denseDecoder(weights: Weights, config: DenseConfig, design: DenseDesign = {}): Decoder {
  const { hiddenSize: width, vocabSize, padTokenId, numHiddenLayers, numAttentionHeads: heads } = config
  const kvHeads = config.numKeyValueHeads ?? heads
  const headDim = headDimOf(config)
  const weight = normal(config.initializerRange)
  const norm = design.norm ?? rmsNorms({ eps: config.rmsNormEps ?? 1e-6 })
  const embeddings = new TokenEmbeddings(weights, {
    name: 'embed_tokens',
    rows: vocabSize,
    width,
    weight,
    paddingIdx: padTokenId,
    scale: design.embeddingScale ?? 1,
    scaleRounded: design.embeddingScaleRounded ?? false,
    dropout: design.embeddingDropout ?? 0,
  })
  const { isCausal } = config
  if (!isCausal && design.mixer !== undefined) throw notCausal()
  const attention = (at: Weights, index: number): Attention => {
    const own = design.attention?.(index)
    return new Attention(at, {
      width,
      heads,
      kvHeads,
      headDim,
      layer: index,
      scale: headDim ** -0.5,
      causal: isCausal,
      dropout: { weights: config.attentionDropout, output: design.dropout?.attention ?? 0 },
      ...projections(config, design, weight),
      ...own,
      window: isCausal ? own?.window : bothWays(own?.window),
    })
  }
  const layer = (at: Weights, index: number): DecoderLayer =>
    new DecoderLayer({
      mixer: design.mixer?.(at, index) ?? attention(at.at('self_attn'), index),
      feedForward:
        design.feedForward?.(at, index) ??
        gatedMlp(at.at('mlp'), config, { dropout: design.dropout?.feedForward ?? 0 }),
      norms: norms(at, width, norm, design.norms ?? usualNorms),
      order: design.order ?? 'pre',
      residualMultiplier: design.residualMultiplier ?? 1,
    })
  const all = Array.from({ length: numHiddenLayers }, (_, i) => layer(weights.at('layers').at(i), i))
  return new Decoder(weights, {
    width,
    embeddings,
    layers: all,
    ropes: ropesOf(config, design, headDim),
    norm: norm(weights.at(design.finalNorm ?? 'norm'), width),
    cache:
      design.cache === null || !isCausal
        ? undefined
        : {
            layers: numHiddenLayers,
            keyWidth: kvHeads * headDim,
            valueWidth: kvHeads * headDim,
            window: (index) => design.attention?.(index).window?.left,
            ...design.cache,
          },
    balance: design.balance,
  })
}

/** The window of tokens that see what follows them, too: it reaches one further, and as far behind (transformers). */
const bothWays = (window: Window | undefined): Window | undefined => {
  if (window?.left === undefined || window.right !== undefined) return window
  return { left: window.left + 1, right: window.left + 1 }
}

/** LLaMA's feed-forward part. */
export function gatedMlp(
  weights: Weights,
  config: Pick<DenseConfig, 'hiddenSize' | 'intermediateSize' | 'hiddenAct' | 'initializerRange' | 'mlpBias'>,
  options: { inner?: number; dropout?: number; activation?: string } = {},
): Mlp {
  const weight = normal(config.initializerRange)
  return new Mlp(weights, {
    width: config.hiddenSize,
    inner: options.inner ?? config.intermediateSize,
    activation: activationOf(options.activation ?? config.hiddenAct ?? 'silu', 'hidden_act'),
    bias: config.mlpBias ?? false,
    dropout: { output: options.dropout ?? 0 },
    gate: { name: 'gate_proj', weight },
    up: { name: 'up_proj', weight },
    down: { name: 'down_proj', weight },
  })
}

const usualNorms: NormNames = {
  beforeMixer: 'input_layernorm',
  beforeFeedForward: 'post_attention_layernorm',
}

/** Norms around both branches, as Gemma 2 has them. */
export const sandwichNorms: NormNames = {
  beforeMixer: 'input_layernorm',
  afterMixer: 'post_attention_layernorm',
  beforeFeedForward: 'pre_feedforward_layernorm',
  afterFeedForward: 'post_feedforward_layernorm',
}

/** Norms behind both branches, as OLMo 2 has them. */
export const branchNorms: NormNames = {
  afterMixer: 'post_attention_layernorm',
  afterFeedForward: 'post_feedforward_layernorm',
}

function norms(
  weights: Weights,
  width: number,
  make: MakeNorm,
  names: NormNames,
): DecoderLayerOptions['norms'] {
  return Object.fromEntries(
    Object.entries(names).map(([place, name]) => [place, make(weights.at(name), width)]),
  )
}

function projections(
  { attentionBias = false }: DenseConfig,
  design: DenseDesign,
  weight: ReturnType<typeof normal>,
) {
  const { qkv, output } = design.bias ?? { qkv: attentionBias, output: attentionBias }
  return {
    projections: {
      query: { name: 'q_proj', weight, bias: qkv },
      key: { name: 'k_proj', weight, bias: qkv },
      value: { name: 'v_proj', weight, bias: qkv },
    },
    output: { name: 'o_proj', weight, bias: output },
  }
}

function ropesOf(config: DenseConfig, design: DenseDesign, headDim: number): (RopeOptions | undefined)[] {
  const { numHiddenLayers: length } = config
  if (design.rope !== undefined) return Array.from({ length }, (_, i) => design.rope!(i) ?? undefined)
  const one = ropeOptions(config, { headDim })
  return Array.from({ length }, () => one)
}
