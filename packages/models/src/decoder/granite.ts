import { real } from '../config/keys.js'
import { biasKeys, denseDecoder, denseKeys, denseNeutral } from './dense.js'
import { decoderFamily, requireHeads } from './generic.js'

/** Granite's four factors. */
export const graniteMultipliers = {
  embeddingMultiplier: real(1),
  logitsScaling: real(1),
  residualMultiplier: real(1),
  attentionMultiplier: real(1),
}

/** Granite 3 (IBM 2024): LLaMA with factors of embeddings, scores, branches and logits. */
export const granite = decoderFamily({
  schema: {
    modelType: 'granite',
    keys: { ...denseKeys, ...biasKeys, ...graniteMultipliers },
    defaults: { bosTokenId: 1, eosTokenId: 2, tieWordEmbeddings: false },
    neutral: denseNeutral,
    check: requireHeads,
  },
  name: 'Granite',
  tasks: ['CausalLM'],
  build: (weights, config) =>
    denseDecoder(weights, config, {
      embeddingScale: config.embeddingMultiplier,
      residualMultiplier: config.residualMultiplier,
      attention: () => ({ scale: config.attentionMultiplier }),
    }),
  languageModel: ({ logitsScaling }) => ({ scale: 1 / logitsScaling }),
})
