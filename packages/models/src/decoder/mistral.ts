import { withValues } from '../config/config.js'
import { layers, nonNegative, orNone, size } from '../config/keys.js'
import { layerTypesKey, layerTypesOf, slidingWindowKey, windowOf } from '../config/layer-types.js'
import { ropeOptions } from '../config/rope.js'
import { namesInWhole } from '../config/text-part.js'
import { denseDecoder, denseKeys, headDimOf } from './dense.js'
import { decoderFamily, requireHeads } from './generic.js'

const keys = {
  ...denseKeys,
  intermediateSize: size(14336),
  numHiddenLayers: layers(32),
  numKeyValueHeads: orNone(size(8)),
  maxPositionEmbeddings: size(4096 * 32),
  slidingWindow: slidingWindowKey(4096),
}
const defaults = { bosTokenId: 1, eosTokenId: 2, tieWordEmbeddings: false }

/** Mistral (Jiang et al. 2023): LLaMA with a window over the last tokens. */
export const mistral = decoderFamily({
  schema: { modelType: 'mistral', keys, defaults, check: requireHeads },
  name: 'Mistral',
  checkpoint: { spellings: namesInWhole },
  build: (weights, config) =>
    denseDecoder(weights, config, {
      attention: () => ({ window: windowOf('sliding_attention', config.slidingWindow) }),
    }),
})

/** Ministral: Mistral whose layers need not all have the window. */
export const ministral = decoderFamily({
  schema: {
    modelType: 'ministral',
    keys: { ...keys, layerTypes: layerTypesKey },
    defaults,
    check: requireHeads,
  },
  name: 'Ministral',
  questionAnsweringPrefix: 'transformer',
  build: (weights, config) => {
    const types = layerTypesOf(config.layerTypes, config.numHiddenLayers, () =>
      config.slidingWindow === undefined ? 'full_attention' : 'sliding_attention',
    )
    return denseDecoder(weights, config, {
      attention: (layer) => ({ window: windowOf(types[layer]!, config.slidingWindow) }),
    })
  },
})

/** What transformers takes where a file says nothing of positions. */
const usualRope = {
  rope_type: 'yarn',
  rope_theta: 1_000_000,
  factor: 16,
  original_max_position_embeddings: 16384,
  beta_fast: 32,
  beta_slow: 1,
  mscale: 1,
  mscale_all_dim: 1,
  llama_4_scaling_beta: 0.1,
}

/** Ministral 3's text model (Mistral AI 2025): Mistral whose queries grow with their position. */
export const ministral3 = decoderFamily({
  schema: {
    modelType: 'ministral3',
    keys: {
      ...keys,
      vocabSize: size(131072),
      numHiddenLayers: layers(34),
      headDim: orNone(size(128)),
      rmsNormEps: nonNegative(1e-5),
      maxPositionEmbeddings: size(262144),
      slidingWindow: slidingWindowKey(undefined),
    },
    defaults: { ...defaults, padTokenId: 11 },
    check: requireHeads,
  },
  name: 'Ministral3',
  checkpoint: { spellings: namesInWhole },
  build: (weights, config) => {
    const { ropeParameters = usualRope } = config
    const rope = ropeOptions(withValues(config, { ropeParameters }), {
      headDim: headDimOf(config),
      queries: true,
    })
    return denseDecoder(weights, config, {
      rope: () => rope,
      attention: () => ({ window: windowOf('sliding_attention', config.slidingWindow) }),
    })
  },
})
