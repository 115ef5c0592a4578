import { headsOwn, layerNorms } from '../blocks/norms.js'
import { flag, layers, nonNegative, real, size } from '../config/keys.js'
import { ropeOptions } from '../config/rope.js'
import { biasKeys, denseDecoder, denseKeys, headDimOf } from './dense.js'
import { decoderFamily, requireHeads } from './generic.js'

const { rmsNormEps: _, ...keys } = denseKeys

/** Command R (Cohere 2024): both branches from one norm without bias, neighbouring columns rotated, scaled logits. */
export const cohere = decoderFamily({
  schema: {
    modelType: 'cohere',
    keys: {
      ...keys,
      attentionBias: biasKeys.attentionBias,
      vocabSize: size(256000),
      hiddenSize: size(8192),
      intermediateSize: size(22528),
      numHiddenLayers: layers(40),
      numAttentionHeads: size(64),
      maxPositionEmbeddings: size(8192),
      layerNormEps: nonNegative(1e-5),
      logitScale: real(0.0625),
      useQkNorm: flag(false),
    },
    defaults: { padTokenId: 0, bosTokenId: 5, eosTokenId: 255001, tieWordEmbeddings: true },
    // The length of a tokenizer.
    neutral: ['model_max_length'],
    check: requireHeads,
  },
  name: 'Cohere',
  tasks: ['CausalLM'],
  build: (weights, config) => {
    const rope = ropeOptions(config, { headDim: headDimOf(config), theta: 500_000 })
    return denseDecoder(weights, config, {
      norm: layerNorms({ eps: config.layerNormEps, bias: false }),
      order: 'parallel',
      norms: { beforeMixer: 'input_layernorm' },
      rope: () => rope,
      attention: () => ({
        interleaved: true,
        qkNorm: config.useQkNorm
          ? { query: 'q_norm', key: 'k_norm', make: headsOwn(config.layerNormEps) }
          : undefined,
      }),
    })
  },
  languageModel: ({ logitScale }) => ({ scale: logitScale }),
})
