import { Linear } from '../blocks/linear.js'
import { layerTypesKey, layerTypesOf, requireWindow, windowOf } from '../config/layer-types.js'
import { flag, integer, layers, size } from '../config/keys.js'
import { normal } from '../parameters/initialisers.js'
import { denseDecoder, denseKeys, gatedMlp } from './dense.js'
import { decoderFamily, requireHeads } from './generic.js'
import {
  balanceOf,
  eachProjection,
  isSparse,
  mixture,
  mixtureKeys,
  orNone,
  requireSparse,
  sparseKeys,
} from './moe.js'

/** transformers writes 0 for a window that is not in use. */
const windowIn = (config: {
  readonly useSlidingWindow: boolean
  readonly slidingWindow?: number | undefined
}) => (config.useSlidingWindow && config.slidingWindow !== 0 ? config.slidingWindow : undefined)

/** Qwen 1.5 and 2 with experts (Qwen Team 2024): beside them a network that all tokens share, by a gate of its own. */
export const qwen2Moe = decoderFamily({
  schema: {
    modelType: 'qwen2_moe',
    keys: {
      ...denseKeys,
      ...mixtureKeys,
      ...sparseKeys,
      vocabSize: size(151936),
      hiddenSize: size(2048),
      intermediateSize: size(5632),
      numHiddenLayers: layers(24),
      numAttentionHeads: size(16),
      numKeyValueHeads: orNone(size(16)),
      maxPositionEmbeddings: size(32768),
      useSlidingWindow: flag(false),
      slidingWindow: orNone(integer(4096)),
      maxWindowLayers: integer(28),
      layerTypes: layerTypesKey,
      qkvBias: flag(true),
      moeIntermediateSize: size(1408),
      sharedExpertIntermediateSize: size(5632),
      numExpertsPerTok: size(4),
      numExperts: integer(60, 'numLocalExperts'),
      normTopkProb: flag(false),
    },
    defaults: { tieWordEmbeddings: false },
    check(config) {
      requireHeads(config)
      requireSparse(config)
      requireWindow(config.layerTypes, windowIn(config))
    },
  },
  name: 'Qwen2Moe',
  build(weights, config, { task }) {
    const { numExperts: experts, numExpertsPerTok: perToken } = config
    const window = windowIn(config)
    const slides = (layer: number) =>
      window !== undefined && layer % 2 === 0 && layer < config.maxWindowLayers
    const types = layerTypesOf(config.layerTypes, config.numHiddenLayers, (layer) =>
      slides(layer) ? 'sliding_attention' : 'full_attention',
    )
    return denseDecoder(weights, config, {
      bias: { qkv: config.qkvBias, output: false },
      attention: (layer) => ({ window: windowOf(types[layer]!, window) }),
      feedForward(at, layer) {
        const mlp = at.at('mlp')
        if (!isSparse(config, layer)) return gatedMlp(mlp, config)
        return mixture(mlp, config, {
          experts,
          inner: config.moeIntermediateSize,
          each: eachProjection,
          router: {
            name: 'gate',
            perToken,
            scores: 'softmax',
            normalise: config.normTopkProb ? 0 : undefined,
          },
          shared: {
            shared: gatedMlp(mlp.at('shared_expert'), config, { inner: config.sharedExpertIntermediateSize }),
            sharedGate: new Linear(mlp.at('shared_expert_gate'), config.hiddenSize, 1, {
              weight: normal(config.initializerRange),
              bias: false,
            }),
          },
        })
      },
      balance: balanceOf(config, experts, task),
    })
  },
})
