import { biasKeys, denseDecoder, denseKeys, denseNeutral } from './dense.js'
import { decoderFamily, requireWholeHeads } from './generic.js'

/** LLaMA 1 to 3 (Touvron et al. 2023), SmolLM, and what was distilled into them. */
export const llama = decoderFamily({
  schema: {
    modelType: 'llama',
    keys: { ...denseKeys, ...biasKeys },
    defaults: { bosTokenId: 1, eosTokenId: 2, tieWordEmbeddings: false },
    neutral: denseNeutral,
    check: requireWholeHeads,
  },
  name: 'Llama',
  questionAnsweringPrefix: 'transformer',
  build: (weights, config) => denseDecoder(weights, config),
})
