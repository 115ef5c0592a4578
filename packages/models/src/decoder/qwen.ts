import { eachHead, rmsNorms } from '../blocks/norms.js'
import { flag, integer, orNone, size, type ValuesOf } from '../config/keys.js'
import {
  layerTypesKey,
  layerTypesOf,
  requireWindow,
  slidingWindowKey,
  windowOf,
} from '../config/layer-types.js'
import { biasKeys, denseDecoder, denseKeys } from './dense.js'
import { decoderFamily, requireHeads } from './generic.js'

/** Keys of Qwen's windows: layers from `max_window_layers` on have them, where they are in use. */
const windowKeys = {
  useSlidingWindow: flag(false),
  slidingWindow: slidingWindowKey(4096),
  maxWindowLayers: integer(28),
  layerTypes: layerTypesKey,
}

const keys = {
  ...denseKeys,
  vocabSize: size(151936),
  intermediateSize: size(22016),
  numKeyValueHeads: orNone(size(32)),
  maxPositionEmbeddings: size(32768),
  ...windowKeys,
}
const defaults = { tieWordEmbeddings: false }
/** Of other engines, for texts of more than 256k tokens. */
const neutral = ['dual_chunk_attention_config']

type WindowConfig = ValuesOf<typeof windowKeys>
const windowIn = ({ useSlidingWindow, slidingWindow }: WindowConfig) =>
  useSlidingWindow ? slidingWindow : undefined

function check(config: Parameters<typeof requireHeads>[0] & WindowConfig): void {
  requireHeads(config)
  requireWindow(config.layerTypes, windowIn(config))
}

/** The window of each layer. */
function windowsOf(config: WindowConfig & { readonly numHiddenLayers: number }) {
  const window = windowIn(config)
  const types = layerTypesOf(config.layerTypes, config.numHiddenLayers, (layer) =>
    window !== undefined && layer >= config.maxWindowLayers ? 'sliding_attention' : 'full_attention',
  )
  return types.map((type) => windowOf(type, window))
}

/** Qwen 2 and 2.5 (Yang et al. 2024): LLaMA with biases of queries, keys and values. */
export const qwen2 = decoderFamily({
  schema: { modelType: 'qwen2', keys, defaults, neutral, check },
  name: 'Qwen2',
  questionAnsweringPrefix: 'transformer',
  build: (weights, config) => {
    const windows = windowsOf(config)
    return denseDecoder(weights, config, {
      bias: { qkv: true, output: false },
      attention: (layer) => ({ window: windows[layer] }),
    })
  },
})

/** Qwen 3 (Yang et al. 2025): LLaMA with norms of each query and key. */
export const qwen3 = decoderFamily({
  schema: {
    modelType: 'qwen3',
    keys: { ...keys, headDim: size(128), attentionBias: biasKeys.attentionBias },
    defaults,
    neutral,
    check,
  },
  name: 'Qwen3',
  questionAnsweringPrefix: 'transformer',
  build: (weights, config) => {
    const windows = windowsOf(config)
    const make = eachHead(rmsNorms({ eps: config.rmsNormEps }))
    return denseDecoder(weights, config, {
      attention: (layer) => ({
        window: windows[layer],
        qkNorm: { query: 'q_norm', key: 'k_norm', make },
      }),
    })
  },
})
