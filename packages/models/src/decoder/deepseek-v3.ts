import { flag, integer, layers, oneOf, real, size } from '../config/keys.js'
import {
  deepseekDecoder,
  deepseekIgnored,
  deepseekKeys,
  deepseekNeutral,
  requireDeepseek,
} from './deepseek.js'
import { decoderFamily } from './generic.js'
import { orNone } from './moe.js'

/** DeepSeek-V3 and R1 (DeepSeek-AI 2024, arXiv 2412.19437): experts by sigmoid, balanced by a bias instead of a loss. */
export const deepseekV3 = decoderFamily({
  schema: {
    modelType: 'deepseek_v3',
    keys: {
      ...deepseekKeys,
      vocabSize: size(129280),
      hiddenSize: size(7168),
      intermediateSize: size(18432),
      numHiddenLayers: layers(61),
      numAttentionHeads: size(128),
      numKeyValueHeads: orNone(size(128)),
      maxPositionEmbeddings: size(4096),
      firstKDenseReplace: integer(3),
      nGroup: orNone(size(8)),
      topkGroup: orNone(size(4)),
      nRoutedExperts: size(256, 'numLocalExperts'),
      nSharedExperts: orNone(integer(1)),
      numExpertsPerTok: size(8),
      moeIntermediateSize: size(2048),
      routedScalingFactor: real(2.5),
      normTopkProb: orNone(flag(true)),
      ropeInterleave: orNone(flag(true)),
      topkMethod: oneOf(['noaux_tc'], 'noaux_tc'),
      scoringFunc: oneOf(['sigmoid'], 'sigmoid'),
    },
    defaults: { bosTokenId: 0, eosTokenId: 1, tieWordEmbeddings: false },
    neutral: deepseekNeutral,
    check: (config) => requireDeepseek(config, 'best-two'),
  },
  name: 'DeepseekV3',
  tasks: ['CausalLM', 'SequenceClassification', 'TokenClassification'],
  build: (weights, config) =>
    deepseekDecoder(weights, config, {
      interleaved: config.ropeInterleave === true,
      groupsBy: 'best-two',
      router: {
        scores: 'sigmoid',
        normalise: config.normTopkProb === true ? 1e-20 : undefined,
        correction: 'e_score_correction_bias',
      },
    }),
  checkpoint: { ignored: deepseekIgnored },
})
