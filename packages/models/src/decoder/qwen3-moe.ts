import { eachHead, rmsNorms } from '../blocks/norms.js'
import { slidingWindowKey } from '../config/layer-types.js'
import { flag, integer, layers, only, size } from '../config/keys.js'
import { biasKeys, denseDecoder, denseKeys, gatedMlp } from './dense.js'
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

/** Qwen 3 with experts (Yang et al. 2025): norms of every query and key. */
export const qwen3Moe = decoderFamily({
  schema: {
    modelType: 'qwen3_moe',
    keys: {
      ...denseKeys,
      ...mixtureKeys,
      ...sparseKeys,
      vocabSize: size(151936),
      hiddenSize: size(2048),
      intermediateSize: size(6144),
      numHiddenLayers: layers(24),
      numKeyValueHeads: orNone(size(4)),
      maxPositionEmbeddings: size(32768),
      attentionBias: biasKeys.attentionBias,
      useSlidingWindow: flag(false),
      slidingWindow: slidingWindowKey(4096),
      moeIntermediateSize: size(768),
      numExpertsPerTok: size(8),
      numExperts: integer(128, 'numLocalExperts'),
      normTopkProb: flag(false),
      // What Qwen's own code may do otherwise.
      useQkNorm: only(true),
      sharedExpertIntermediateSize: only(0),
    },
    defaults: { tieWordEmbeddings: false },
    neutral: ['max_window_layers'],
    check(config) {
      requireHeads(config)
      requireSparse(config)
    },
  },
  name: 'Qwen3Moe',
  questionAnsweringPrefix: 'transformer',
  build(weights, config, { task }) {
    const { numExperts: experts, numExpertsPerTok: perToken, slidingWindow, useSlidingWindow } = config
    const make = eachHead(rmsNorms({ eps: config.rmsNormEps }))
    return denseDecoder(weights, config, {
      attention: () => ({
        qkNorm: { query: 'q_norm', key: 'k_norm', make },
        window: useSlidingWindow && slidingWindow !== undefined ? { left: slidingWindow - 1 } : undefined,
      }),
      feedForward: (at, layer) =>
        !isSparse(config, layer)
          ? gatedMlp(at.at('mlp'), config)
          : mixture(at.at('mlp'), config, {
              experts,
              inner: config.moeIntermediateSize,
              each: eachProjection,
              router: {
                name: 'gate',
                perToken,
                scores: 'softmax',
                normalise: config.normTopkProb ? 0 : undefined,
              },
            }),
      balance: balanceOf(config, experts, task),
    })
  },
})
