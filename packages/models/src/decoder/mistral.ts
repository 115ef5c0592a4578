import { layers, orNone, size } from '../config/keys.js'
import { layerTypesKey, layerTypesOf, slidingWindowKey, windowOf } from '../config/layer-types.js'
import { denseDecoder, denseKeys } from './dense.js'
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
