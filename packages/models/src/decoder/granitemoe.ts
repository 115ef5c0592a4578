import { nonNegative, real, size } from '../config/keys.js'
import { biasKeys, denseDecoder, denseKeys, denseNeutral } from './dense.js'
import { decoderFamily, requireHeads } from './generic.js'
import { balanceOf, mixture, mixtureKeys, requireExperts } from './moe.js'

/** What files call the parts of `block_sparse_moe`. */
const stored = [
  ['experts.gate_up_proj', 'input_linear.weight'],
  ['experts.down_proj', 'output_linear.weight'],
  ['router.weight', 'router.layer.weight'],
] as const

/** The name under which files store a parameter. */
export function storedExperts(name: string): string {
  const found = stored.find(([own]) => name.endsWith(`block_sparse_moe.${own}`))
  return found === undefined ? name : name.slice(0, -found[0].length) + found[1]
}

/** Granite's mixtures of experts (IBM 2024): Granite's four factors, and the softmax over the chosen logits alone. */
export const granitemoe = decoderFamily({
  schema: {
    modelType: 'granitemoe',
    keys: {
      ...denseKeys,
      ...mixtureKeys,
      attentionBias: biasKeys.attentionBias,
      embeddingMultiplier: real(1),
      attentionMultiplier: real(1),
      residualMultiplier: real(1),
      logitsScaling: nonNegative(1),
      numLocalExperts: size(8, 'numExperts'),
    },
    defaults: { bosTokenId: 1, eosTokenId: 2, tieWordEmbeddings: false },
    neutral: denseNeutral,
    check(config) {
      requireHeads(config)
      requireExperts(config.numExpertsPerTok, config.numLocalExperts)
    },
  },
  name: 'GraniteMoe',
  tasks: ['CausalLM'],
  build(weights, config, { task }) {
    const { numLocalExperts: experts, numExpertsPerTok: perToken } = config
    return denseDecoder(weights, config, {
      embeddingScale: config.embeddingMultiplier,
      residualMultiplier: config.residualMultiplier,
      attention: () => ({ scale: config.attentionMultiplier }),
      feedForward: (at) =>
        mixture(at.at('block_sparse_moe'), config, {
          experts,
          inner: config.intermediateSize,
          router: { name: 'router', perToken, scores: 'softmax-of-chosen' },
        }),
      balance: balanceOf(config, experts, task),
    })
  },
  languageModel: ({ logitsScaling }) => ({ scale: 1 / logitsScaling }),
  checkpoint: { stored: storedExperts },
})
