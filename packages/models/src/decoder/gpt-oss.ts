import { clampedGlu } from '../blocks/experts.js'
import { flag, layers, nonNegative, only, size } from '../config/keys.js'
import { layerTypesKey, layerTypesOf } from '../config/layer-types.js'
import { ropeOptions } from '../config/rope.js'
import { normal } from '../parameters/initialisers.js'
import { denseDecoder, denseKeys, headDimOf } from './dense.js'
import { decoderFamily, requireHeads } from './generic.js'
import { balanceOf, mixture, mixtureKeys, orNone, requireExperts } from './moe.js'

/** The rotary positions of configurations that say nothing of them. */
const usualRope = {
  rope_type: 'yarn',
  factor: 32,
  beta_fast: 32,
  beta_slow: 1,
  truncate: false,
  original_max_position_embeddings: 4096,
}

/** Of the clamped gates. transformers reads no key for them: other values would be computed with these. */
const swiglu = { alpha: 1.702, limit: 7 }

/** gpt-oss (OpenAI 2025): attention with sinks, windows on every other layer, experts with clamped gates and biases. */
export const gptOss = decoderFamily({
  schema: {
    modelType: 'gpt_oss',
    keys: {
      ...denseKeys,
      ...mixtureKeys,
      vocabSize: size(201088),
      hiddenSize: size(2880),
      intermediateSize: size(2880),
      numHiddenLayers: layers(36),
      numAttentionHeads: size(64),
      numKeyValueHeads: orNone(size(8)),
      headDim: orNone(size(64)),
      maxPositionEmbeddings: size(131072),
      rmsNormEps: nonNegative(1e-5),
      attentionBias: flag(true),
      slidingWindow: orNone(size(128)),
      layerTypes: layerTypesKey,
      numLocalExperts: size(128, 'numExperts'),
      numExpertsPerTok: size(4),
      swigluAlpha: only(swiglu.alpha),
      swigluLimit: only(swiglu.limit),
    },
    defaults: { tieWordEmbeddings: false },
    // What OpenAI's own files repeat, and the activation's name: it is always the clamped one.
    neutral: ['experts_per_token', 'initial_context_length'],
    check(config) {
      requireHeads(config)
      requireExperts(config.numExpertsPerTok, config.numLocalExperts)
    },
  },
  name: 'GptOss',
  tasks: ['CausalLM', 'SequenceClassification', 'TokenClassification'],
  build(weights, config, { task }) {
    const { numLocalExperts: experts, numExpertsPerTok: perToken, slidingWindow, initializerRange } = config
    const types = layerTypesOf(config.layerTypes, config.numHiddenLayers, (layer) =>
      layer % 2 === 0 ? 'sliding_attention' : 'full_attention',
    )
    const { ropeParameters, ropeScaling, ropeTheta, partialRotaryFactor, maxPositionEmbeddings } = config
    const silent = ropeParameters === undefined && Object.keys(ropeScaling ?? {}).length === 0
    const usual = { ropeParameters: usualRope, ropeTheta, partialRotaryFactor, maxPositionEmbeddings }
    const rope = ropeOptions(silent ? usual : config, { headDim: headDimOf(config), theta: 150_000 })
    return denseDecoder(weights, config, {
      rope: () => rope,
      attention: (layer) => ({
        sinks: { name: 'sinks', weight: normal(initializerRange) },
        window:
          types[layer] === 'sliding_attention' && slidingWindow !== undefined
            ? { left: slidingWindow - 1 }
            : undefined,
      }),
      feedForward: (at) =>
        mixture(at.at('mlp'), config, {
          experts,
          inner: config.intermediateSize,
          glu: clampedGlu(swiglu),
          stack: 'transposed-with-bias',
          router: { name: 'router', perToken, scores: 'softmax-of-chosen', bias: true },
        }),
      balance: balanceOf(config, experts, task),
    })
  },
})
