import { UnsupportedError } from '@tiny/core'
import { drops } from '../blocks/dropout.js'
import { nonNegative, optional, size } from '../config/keys.js'
import { ropeOptions } from '../config/rope.js'
import { denseDecoder, denseKeys, headDimOf } from './dense.js'
import { decoderFamily, requireHeads } from './generic.js'
import { balanceOf, mixture, mixtureKeys, orNone, requireExperts } from './moe.js'

/** Mixtral (Jiang et al. 2024): Mistral with experts. */
export const mixtral = decoderFamily({
  schema: {
    modelType: 'mixtral',
    keys: {
      ...denseKeys,
      ...mixtureKeys,
      intermediateSize: size(14336),
      numKeyValueHeads: orNone(size(8)),
      maxPositionEmbeddings: size(131072),
      rmsNormEps: nonNegative(1e-5),
      slidingWindow: optional(size(0)),
      numLocalExperts: size(8, 'numExperts'),
      routerJitterNoise: nonNegative(0),
    },
    defaults: { bosTokenId: 1, eosTokenId: 2, tieWordEmbeddings: false },
    check(config) {
      requireHeads(config)
      requireExperts(config.numExpertsPerTok, config.numLocalExperts)
    },
  },
  name: 'Mixtral',
  build(weights, config, { task }) {
    const { slidingWindow, numLocalExperts: experts, numExpertsPerTok, routerJitterNoise } = config
    const rope = ropeOptions(config, { headDim: headDimOf(config), theta: 1e6 })
    return denseDecoder(weights, config, {
      rope: () => rope,
      attention: () => ({ window: slidingWindow === undefined ? undefined : { left: slidingWindow - 1 } }),
      feedForward(at) {
        const block = mixture(at.at('mlp'), config, {
          experts,
          inner: config.intermediateSize,
          each: { gate: 'w1', up: 'w3', down: 'w2' },
          router: { name: 'gate', perToken: numExpertsPerTok, scores: 'softmax', normalise: 0 },
        })
        return {
          apply(x, residual) {
            if (drops(routerJitterNoise)) {
              throw new UnsupportedError('training with router_jitter_noise is not there; set it to 0', {
                key: 'router_jitter_noise',
              })
            }
            return block.apply(x, residual)
          },
        }
      },
      balance: balanceOf(config, experts, task),
    })
  },
  checkpoint: {
    // Files keep the names of the time before transformers stacked the experts.
    stored: (name) =>
      /\.mlp\.(gate\.|experts\.\d)/.test(name) ? name.replace('.mlp.', '.block_sparse_moe.') : name,
    spellings: (name) => [name.replace('.mlp.', '.block_sparse_moe.')],
  },
})
