import type { Parameter, Tensor } from '@tiny/core'
import { scale } from '@tiny/core'
import { activationOf } from '../blocks/activations.js'
import { Attention } from '../blocks/attention.js'
import { drop, skip } from '../blocks/dropout.js'
import { Embedding } from '../blocks/embeddings.js'
import type { CrossMixer, Mixer } from '../blocks/mixer.js'
import { Mlp } from '../blocks/mlp.js'
import { LayerNorm } from '../blocks/norms.js'
import { runLayer } from '../blocks/recompute.js'
import type {
  Backbone,
  CacheShape,
  CrossStack,
  PairBackbone,
  SingleBackbone,
  Stack,
  StackContext,
} from '../blocks/stack.js'
import type { Batch } from '../inputs/batch.js'
import { normal, normalWithZeroRow } from '../parameters/initialisers.js'
import type { Weights } from '../parameters/weights.js'
import type { BuildOptions } from '../family.js'
import type { BartConfig } from './bart-config.js'

/** What families of BART's kind differ in. */
export interface EncoderDecoderParts {
  /** Norms behind the sums of each branch, or before each branch and once more behind the last layer. */
  readonly norms: 'post' | 'pre'
  /** Whether the embeddings are normalised; of a decoder 'words' alone, which are not scaled then. */
  readonly embeddingNorm: boolean | { readonly decoder: 'words' }
  /** Rows for a stack's tokens, [tokens, width]. */
  positions(weights: Weights, config: BartConfig): (batch: Batch<Tensor>) => Tensor
  /** Rows of the decoder's own table of tokens, where it shares none with the encoder. */
  ownDecoderVocabulary?(config: BartConfig): number | undefined
}

/** nn.LayerNorm's, which no file of these families changes. */
const eps = 1e-5

interface StackSize {
  readonly layers: number
  readonly heads: number
  readonly inner: number
  readonly layerdrop: number
  readonly decoder: boolean
}

const encoderSize = (config: BartConfig): StackSize => ({
  layers: config.encoderLayers,
  heads: config.encoderAttentionHeads,
  inner: config.encoderFfnDim,
  layerdrop: config.encoderLayerdrop,
  decoder: false,
})

const decoderSize = (config: BartConfig): StackSize => ({
  layers: config.decoderLayers,
  heads: config.decoderAttentionHeads,
  inner: config.decoderFfnDim,
  layerdrop: config.decoderLayerdrop,
  decoder: true,
})

type Branch = (x: Tensor, residual: Tensor) => Tensor

/** Self-attention, in a decoder attention to the encoder, and the feed-forward part. */
class EncoderDecoderLayer {
  readonly #pre: boolean
  readonly #attention: Attention
  readonly #attentionNorm: LayerNorm
  readonly cross: Attention | undefined
  readonly #crossNorm: LayerNorm | undefined
  readonly #mlp: Mlp
  readonly #mlpNorm: LayerNorm

  constructor(
    weights: Weights,
    config: BartConfig,
    parts: EncoderDecoderParts,
    size: StackSize,
    layer: number,
  ) {
    const { dModel: width, dropout, initStd } = config
    const weight = normal(initStd)
    const headDim = width / size.heads
    const norm = (name: string) => new LayerNorm(weights.at(name), width, { eps })
    const attention = (name: string, causal: boolean) =>
      new Attention(weights.at(name), {
        width,
        heads: size.heads,
        headDim,
        scale: headDim ** -0.5,
        causal,
        layer,
        dropout: { weights: config.attentionDropout, output: dropout },
        projections: {
          query: { name: 'q_proj', weight },
          key: { name: 'k_proj', weight },
          value: { name: 'v_proj', weight },
        },
        output: { name: 'out_proj', weight },
      })
    this.#pre = parts.norms === 'pre'
    this.#attention = attention('self_attn', size.decoder)
    this.#attentionNorm = norm('self_attn_layer_norm')
    if (size.decoder) {
      this.cross = attention('encoder_attn', false)
      this.#crossNorm = norm('encoder_attn_layer_norm')
    }
    this.#mlp = new Mlp(weights, {
      width,
      inner: size.inner,
      activation: activationOf(config.activationFunction, 'activation_function'),
      dropout: { inner: config.activationDropout, output: dropout },
      up: { name: 'fc1', weight },
      down: { name: 'fc2', weight },
    })
    this.#mlpNorm = norm('final_layer_norm')
  }

  apply(x: Tensor, mixer: Mixer, encoder?: CrossMixer): Tensor {
    const { cross } = this
    x = this.#add(x, this.#attentionNorm, (h, residual) => this.#attention.attend(h, mixer, { residual }))
    if (cross && encoder)
      x = this.#add(x, this.#crossNorm!, (h, residual) => cross.attendAcross(h, encoder, { residual }))
    return this.#add(x, this.#mlpNorm, (h, residual) => this.#mlp.apply(h, residual))
  }

  /** x + branch(norm(x)), or norm(x + branch(x)). */
  #add(x: Tensor, norm: LayerNorm, branch: Branch): Tensor {
    return this.#pre ? branch(norm.apply(x), x) : norm.apply(branch(x, x))
  }
}

class EncoderDecoderStack implements CrossStack {
  readonly #config: BartConfig
  readonly #words: Embedding
  readonly #positions: (batch: Batch<Tensor>) => Tensor
  readonly #embeddingNorm: LayerNorm | undefined
  readonly #wordsNorm: LayerNorm | undefined
  readonly #layers: readonly EncoderDecoderLayer[]
  readonly #norm: LayerNorm | undefined
  readonly #layerdrop: number

  constructor(
    weights: Weights,
    config: BartConfig,
    parts: EncoderDecoderParts,
    size: StackSize,
    words: Embedding,
  ) {
    const { dModel: width } = config
    this.#config = config
    this.#words = words
    this.#positions = parts.positions(weights, config)
    this.#layers = Array.from(
      { length: size.layers },
      (_, layer) => new EncoderDecoderLayer(weights.at('layers').at(layer), config, parts, size, layer),
    )
    const norm =
      parts.embeddingNorm === false
        ? undefined
        : new LayerNorm(weights.at('layernorm_embedding'), width, { eps })
    const ofWords = parts.embeddingNorm !== true && size.decoder
    this.#embeddingNorm = ofWords ? undefined : norm
    this.#wordsNorm = ofWords ? norm : undefined
    this.#norm = parts.norms === 'pre' ? new LayerNorm(weights.at('layer_norm'), width, { eps }) : undefined
    this.#layerdrop = size.layerdrop
  }

  forward(batch: Batch<Tensor>, mixer: Mixer, { states, cross }: StackContext = {}): Tensor {
    let x = this.#embed(batch)
    for (const layer of this.#layers) {
      states?.push(x)
      x = skip(
        x,
        runLayer((x) => layer.apply(x, mixer, cross), x),
        this.#layerdrop,
      )
    }
    if (this.#norm) x = this.#norm.apply(x)
    states?.push(x)
    return x // [tokens, d_model]
  }

  keysAndValues(encoder: Tensor): [k: Tensor, v: Tensor][] {
    return this.#layers.map(({ cross }) => cross!.keysAndValues(encoder))
  }

  #embed(batch: Batch<Tensor>): Tensor {
    const { dModel, scaleEmbedding, dropout } = this.#config
    const words = this.#words.apply(batch.inputIds)
    if (this.#wordsNorm) return drop(this.#wordsNorm.apply(words).add(this.#positions(batch)), dropout)
    const summed = (scaleEmbedding ? scale(words, Math.sqrt(dModel)) : words).add(this.#positions(batch))
    return drop(this.#embeddingNorm?.apply(summed) ?? summed, dropout)
  }
}

const wordsOf = (weights: Weights, config: BartConfig, place: string, rows: number): Embedding =>
  new Embedding(weights.at(place), rows, config.dModel, {
    weight: normalWithZeroRow(config.initStd, config.padTokenId),
    paddingIdx: config.padTokenId,
  })

/** The decoder without an encoder: its layers keep their attention to one, which nothing calls for. */
export class LoneDecoder implements SingleBackbone {
  readonly width: number
  readonly cache: CacheShape
  readonly embeddings: Parameter
  readonly stack: Stack

  constructor(weights: Weights, config: BartConfig, parts: EncoderDecoderParts) {
    const { dModel: width, decoderLayers: layers, vocabSize } = config
    const rows = parts.ownDecoderVocabulary?.(config) ?? vocabSize
    const words = wordsOf(weights, config, 'decoder.embed_tokens', rows)
    this.width = width
    this.cache = { layers, keyWidth: width, valueWidth: width }
    this.embeddings = words.weight
    this.stack = new EncoderDecoderStack(weights.at('decoder'), config, parts, decoderSize(config), words)
  }
}

/** BART (Lewis et al. 2020) and those that are like it: an encoder–decoder with positions in its embeddings. */
export class EncoderDecoder implements PairBackbone {
  readonly width: number
  readonly cache: CacheShape
  readonly embeddings: Parameter
  readonly encoder: Stack
  readonly decoder: CrossStack

  constructor(weights: Weights, config: BartConfig, parts: EncoderDecoderParts) {
    const { dModel: width, vocabSize } = config
    const table = (place: string, rows: number) => wordsOf(weights, config, place, rows)
    const own = parts.ownDecoderVocabulary?.(config)
    // transformers 5 ties nothing then, though files of older versions hold the shared table alone.
    const apart = own !== undefined || !config.tieWordEmbeddings
    const shared = apart ? undefined : table('shared', vocabSize)
    const side = (place: string, rows: number) =>
      shared === undefined || weights.differs(`${place}.weight`) ? table(place, rows) : shared
    const source = side('encoder.embed_tokens', vocabSize)
    const target = side('decoder.embed_tokens', own ?? vocabSize)
    this.width = width
    this.cache = { layers: config.decoderLayers, keyWidth: width, valueWidth: width }
    this.embeddings = (shared ?? target).weight
    this.encoder = new EncoderDecoderStack(weights.at('encoder'), config, parts, encoderSize(config), source)
    this.decoder = new EncoderDecoderStack(weights.at('decoder'), config, parts, decoderSize(config), target)
  }
}

/** Builds the model of a task: a causal language model is the decoder alone. */
export const buildEncoderDecoder =
  (parts: EncoderDecoderParts) =>
  (weights: Weights, config: BartConfig, { task }: BuildOptions): Backbone =>
    task === 'CausalLM' ? new LoneDecoder(weights, config, parts) : new EncoderDecoder(weights, config, parts)
