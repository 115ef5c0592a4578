import { eachHead, rmsNorms } from '../blocks/norms.js'
import type { Window } from '../blocks/mixer.js'
import { withValues } from '../config/config.js'
import {
  flag,
  integer,
  layers,
  nonNegative,
  optional,
  orNone,
  size,
  text,
  type Keys,
} from '../config/keys.js'
import {
  layerTypesKey,
  layerTypesOf,
  slidingWindowKey,
  windowOf,
  type LayerType,
} from '../config/layer-types.js'
import { ropeOptions } from '../config/rope.js'
import { namesInWhole } from '../config/text-part.js'
import { biasKeys, denseDecoder, denseKeys, gatedMlp, sandwichNorms, type DenseConfig } from './dense.js'
import { decoderFamily, requireHeads } from './generic.js'

const { hiddenAct: _, ...commonKeys } = denseKeys

const keys = {
  ...commonKeys,
  attentionBias: biasKeys.attentionBias,
  vocabSize: size(256000),
  hiddenSize: size(3072),
  intermediateSize: size(24576),
  numHiddenLayers: layers(28),
  numAttentionHeads: size(16),
  numKeyValueHeads: orNone(size(16)),
  headDim: size(256),
  maxPositionEmbeddings: size(8192),
} satisfies Keys

const defaults = { padTokenId: 0, eosTokenId: 1, bosTokenId: 2, tieWordEmbeddings: true }

/** What all Gemmas share: embeddings times √width, norms stored around zero. */
const common = (config: DenseConfig & { readonly rmsNormEps: number }) => ({
  norm: rmsNorms({ eps: config.rmsNormEps, zeroCentred: true }),
  embeddingScale: Math.sqrt(config.hiddenSize),
  embeddingScaleRounded: true,
})

/** Gemma (Google 2024): a gate of tanh GELU, heads of their own width. */
export const gemma = decoderFamily({
  schema: {
    modelType: 'gemma',
    keys: { ...keys, hiddenAct: text('gelu_pytorch_tanh') },
    defaults,
    // Of older files, which transformers does not read.
    neutral: ['hidden_activation'],
    check: requireHeads,
  },
  name: 'Gemma',
  tasks: ['CausalLM', 'SequenceClassification', 'TokenClassification'],
  build: (weights, config) => denseDecoder(weights, config, common(config)),
})

const gemma2Keys = {
  ...keys,
  hiddenSize: size(2304),
  intermediateSize: size(9216),
  numHiddenLayers: layers(26),
  numAttentionHeads: size(8),
  numKeyValueHeads: orNone(size(4)),
  hiddenActivation: text('gelu_pytorch_tanh'),
  queryPreAttnScalar: nonNegative(256),
  slidingWindow: slidingWindowKey(4096),
  layerTypes: layerTypesKey,
} satisfies Keys

/** null means no cap. */
const cap = (fallback: number | undefined) => orNone(nonNegative<number | undefined>(fallback))

/** Gemma 2 (Google 2024): norms around both branches, caps of scores and logits, a window in every other layer. */
export const gemma2 = decoderFamily({
  schema: {
    modelType: 'gemma2',
    keys: { ...gemma2Keys, attnLogitSoftcapping: cap(50), finalLogitSoftcapping: cap(30) },
    defaults,
    // The activation under an older name, and what older code did with its cache.
    neutral: ['hidden_act', 'cache_implementation'],
    check: requireHeads,
  },
  name: 'Gemma2',
  tasks: ['CausalLM', 'SequenceClassification', 'TokenClassification'],
  build: (weights, config) => {
    const types = layerTypesOf(config.layerTypes, config.numHiddenLayers, (layer) =>
      layer % 2 === 0 ? 'sliding_attention' : 'full_attention',
    )
    return denseDecoder(weights, config, {
      ...common(config),
      norms: sandwichNorms,
      feedForward: (at) => gatedMlp(at.at('mlp'), config, { activation: config.hiddenActivation }),
      attention: (layer) => ({
        scale: config.queryPreAttnScalar ** -0.5,
        softcap: config.attnLogitSoftcapping,
        window: windowOf(types[layer]!, config.slidingWindow),
      }),
    })
  },
  languageModel: ({ finalLogitSoftcapping }) => ({ softcap: finalLogitSoftcapping }),
})

/** Gemma 3's text model (Google 2025): norms of queries and keys, five layers with a window and few positions to one without. */
export const gemma3Text = decoderFamily({
  schema: {
    modelType: 'gemma3_text',
    keys: {
      ...gemma2Keys,
      vocabSize: size(262208),
      maxPositionEmbeddings: size(131072),
      finalLogitSoftcapping: cap(undefined),
      ropeLocalBaseFreq: optional(nonNegative(10_000)),
      slidingWindowPattern: integer(6),
      /** Every token sees every other, as in EmbeddingGemma. */
      useBidirectionalAttention: flag(false),
    },
    defaults,
    // The cap of scores is Gemma 2's: transformers has the key here, but no cap.
    neutral: ['hidden_act', 'cache_implementation', '_sliding_window_pattern', 'attn_logit_softcapping'],
    check: requireHeads,
  },
  name: 'Gemma3',
  classes: {
    Base: 'Gemma3TextModel',
    SequenceClassification: 'Gemma3TextForSequenceClassification',
  },
  tasks: ['CausalLM', 'SequenceClassification'],
  checkpoint: { spellings: namesInWhole },
  build: (weights, config) => {
    const { slidingWindow, slidingWindowPattern: pattern, headDim, useBidirectionalAttention } = config
    const types = layerTypesOf(config.layerTypes, config.numHiddenLayers, (layer) =>
      (layer + 1) % pattern === 0 ? 'full_attention' : 'sliding_attention',
    )
    const ropes = {
      full_attention: ropeOptions(config, { headDim, layerType: 'full_attention', theta: 1_000_000 }),
      sliding_attention: ropeOptions(
        withValues(config, { ropeTheta: config.ropeLocalBaseFreq, ropeScaling: undefined }),
        { headDim, layerType: 'sliding_attention', theta: 10_000 },
      ),
    }
    const window = useBidirectionalAttention ? bothSides : windowOf
    return denseDecoder(weights, config, {
      ...common(config),
      norms: sandwichNorms,
      ...(useBidirectionalAttention ? { cache: null } : {}),
      rope: (layer) => ropes[types[layer]!],
      feedForward: (at) => gatedMlp(at.at('mlp'), config, { activation: config.hiddenActivation }),
      attention: (layer) => ({
        causal: !useBidirectionalAttention,
        scale: config.queryPreAttnScalar ** -0.5,
        window: window(types[layer]!, slidingWindow),
        qkNorm: {
          query: 'q_norm',
          key: 'k_norm',
          make: eachHead(rmsNorms({ eps: config.rmsNormEps, zeroCentred: true })),
        },
      }),
    })
  },
  languageModel: ({ finalLogitSoftcapping }) => ({ softcap: finalLogitSoftcapping }),
})

/** Half of the window on either side. */
function bothSides(type: LayerType, window: number | undefined): Window | undefined {
  if (type !== 'sliding_attention' || window === undefined) return undefined
  const reach = Math.floor(window / 2)
  return { left: reach, right: reach }
}
