import { ConfigError } from '@tiny/core'
import { flag, layers, optional, orNone, size, type Key } from '../config/keys.js'
import { layerTypesKey, layerTypesOf, slidingWindowKey, windowOf } from '../config/layer-types.js'
import { ropeOptions } from '../config/rope.js'
import { biasKeys, denseDecoder, denseKeys, denseNeutral, headDimOf } from './dense.js'
import { decoderFamily, requireHeads } from './generic.js'

const switches: Key<readonly number[]> = {
  fallback: [],
  read(value, name) {
    if (Array.isArray(value) && value.every((item) => item === 0 || item === 1)) return value
    throw new ConfigError(`${name} of the configuration must be a list of 0 and 1`, { key: name, value })
  },
}

/** SmolLM3 (Hugging Face 2025): LLaMA whose every fourth layer has no positions (NoPE). */
export const smollm3 = decoderFamily({
  schema: {
    modelType: 'smollm3',
    keys: {
      ...denseKeys,
      ...biasKeys,
      vocabSize: size(128256),
      hiddenSize: size(2048),
      numHiddenLayers: layers(36),
      numAttentionHeads: size(16),
      numKeyValueHeads: orNone(size(4)),
      maxPositionEmbeddings: size(32768),
      useSlidingWindow: flag(false),
      slidingWindow: slidingWindowKey(undefined),
      layerTypes: layerTypesKey,
      /** 1 for a layer that has positions. */
      noRopeLayers: optional(switches),
      noRopeLayerInterval: size(4),
    },
    defaults: { padTokenId: 128004, bosTokenId: 128000, eosTokenId: 128001, tieWordEmbeddings: true },
    // Qwen's rule for windows, which is not this model's.
    neutral: [...denseNeutral, 'max_window_layers'],
    check(config) {
      requireHeads(config)
      const { noRopeLayers, numHiddenLayers } = config
      if (noRopeLayers === undefined || noRopeLayers.length >= numHiddenLayers) return
      throw new ConfigError(
        `no_rope_layers lists ${noRopeLayers.length} layers, num_hidden_layers is ${numHiddenLayers}`,
        { key: 'no_rope_layers' },
      )
    },
  },
  name: 'SmolLM3',
  questionAnsweringPrefix: 'transformer',
  build: (weights, config) => {
    const { noRopeLayers, noRopeLayerInterval, slidingWindow, numHiddenLayers } = config
    const rotates = (layer: number): boolean =>
      noRopeLayers === undefined ? (layer + 1) % noRopeLayerInterval !== 0 : noRopeLayers[layer] === 1
    const types = layerTypesOf(config.layerTypes, numHiddenLayers, (layer) =>
      config.useSlidingWindow && slidingWindow !== undefined && !rotates(layer)
        ? 'sliding_attention'
        : 'full_attention',
    )
    const rope = ropeOptions(config, { headDim: headDimOf(config), theta: 2_000_000 })
    return denseDecoder(weights, config, {
      rope: (layer) => (rotates(layer) ? rope : null),
      attention: (layer) => ({ window: windowOf(types[layer]!, slidingWindow) }),
    })
  },
})
