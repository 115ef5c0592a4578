import { acrossHeads, rmsNorms } from '../blocks/norms.js'
import { flag, nonNegative, size } from '../config/keys.js'
import { branchNorms, denseDecoder, denseKeys } from './dense.js'
import { decoderFamily, requireHeads } from './generic.js'

/** OLMo 2 (OLMo team 2025): norms behind the branches, and of all queries and all keys at once. */
export const olmo2 = decoderFamily({
  schema: {
    modelType: 'olmo2',
    keys: {
      ...denseKeys,
      attentionBias: flag(false),
      vocabSize: size(50304),
      rmsNormEps: nonNegative(1e-5),
    },
    defaults: { padTokenId: 1, eosTokenId: 50279, tieWordEmbeddings: false },
    check: requireHeads,
  },
  name: 'Olmo2',
  tasks: ['CausalLM', 'SequenceClassification'],
  build: (weights, config) => {
    const norm = rmsNorms({ eps: config.rmsNormEps })
    return denseDecoder(weights, config, {
      norm,
      norms: branchNorms,
      attention: () => ({ qkNorm: { query: 'q_norm', key: 'k_norm', make: acrossHeads(norm) } }),
    })
  },
})
