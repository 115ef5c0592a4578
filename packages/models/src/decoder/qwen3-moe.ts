import { eachHead, rmsNorms } from '../blocks/norms.js'
import { flag, layers, size } from '../config/keys.js'
import { biasKeys, denseDecoder, denseKeys, gatedMlp } from './dense.js'
import { decoderFamily, requireHeads } from './generic.js'
import {
  balanceOf,
  eachProjection,
  isSparse,
  mixture,
  mixtureKeys,
  orNone,
  requireExperts,
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
      slidingWindow: orNone(size(4096)),
      moeIntermediateSize: size(768),
      numExpertsPerTok: size(8),
      numExperts: size(128, 'numLocalExperts'),
      normTopkProb: flag(false),
    },
    defaults: { tieWordEmbeddings: false },
    neutral: ['max_window_layers'],
    check(config) {
      requireHeads(config)
      requireExperts(config.numExpertsPerTok, config.numExperts)
    },
  },
  name: 'Qwen3Moe',
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
