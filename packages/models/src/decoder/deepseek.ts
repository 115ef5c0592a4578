import { ConfigError } from '@tiny/core'
import { LatentAttention } from '../blocks/latent-attention.js'
import type { RouterOptions } from '../blocks/router.js'
import type { Backbone } from '../blocks/stack.js'
import { flag, integer, optional, real, size, type Keys, type ValuesOf } from '../config/keys.js'
import { ropeOptions } from '../config/rope.js'
import { normal } from '../parameters/initialisers.js'
import type { Weights } from '../parameters/weights.js'
import { denseDecoder, denseKeys, gatedMlp } from './dense.js'
import { eachProjection, mixture, orNone, requireExperts } from './moe.js'

/** Keys of both generations, with the defaults that they share. */
export const deepseekKeys = {
  ...denseKeys,
  attentionBias: flag(false),
  firstKDenseReplace: integer(0),
  kvLoraRank: size(512),
  qLoraRank: orNone(size(1536)),
  qkNopeHeadDim: size(128),
  qkRopeHeadDim: size(64),
  vHeadDim: size(128),
  nGroup: optional(size(0)),
  topkGroup: optional(size(0)),
  nRoutedExperts: size(64, 'numExperts'),
  nSharedExperts: orNone(integer(2)),
  numExpertsPerTok: size(0),
  moeIntermediateSize: size(1407),
  moeLayerFreq: size(1),
  routedScalingFactor: real(1),
} satisfies Keys

/** What follows from other keys, counts of training, and layers that predict further tokens, which are not loaded. */
export const deepseekNeutral = [
  'aux_loss_alpha',
  'ep_size',
  'head_dim',
  'num_mtp_layers',
  'num_nextn_predict_layers',
  'pretraining_tp',
  'qk_head_dim',
  'seq_aux',
]

/** Layers that predict further tokens: their parts, and DeepSeek-V3's own number. */
export const deepseekIgnored = [
  /(^|\.)layers\.\d+\.(enorm|hnorm|eh_proj|shared_head|embed_tokens)\./,
  /(^|\.)layers\.61\./,
]

export type DeepseekConfig = ValuesOf<typeof deepseekKeys> & {
  readonly padTokenId: number | undefined
  readonly mlpBias?: boolean
}

export interface DeepseekDesign {
  readonly interleaved: boolean
  /** By which a group of experts is chosen; undefined where all experts stand together. */
  readonly groupsBy?: 'best' | 'best-two' | undefined
  readonly router: Pick<RouterOptions, 'scores' | 'normalise' | 'correction'>
}

/** Layers of latent attention; after the first ones, which are dense, with experts. */
export function deepseekDecoder(weights: Weights, config: DeepseekConfig, design: DeepseekDesign): Backbone {
  const { numAttentionHeads: heads, qkNopeHeadDim, qkRopeHeadDim, vHeadDim: valueDim } = config
  const headDim = qkNopeHeadDim + qkRopeHeadDim
  const rope = ropeOptions(config, { headDim: qkRopeHeadDim })
  const { nRoutedExperts: experts, nSharedExperts = 0, moeIntermediateSize: inner } = config
  return denseDecoder(weights, config, {
    rope: () => rope,
    cache: { keyWidth: heads * headDim, valueWidth: heads * valueDim },
    mixer: (at, layer) =>
      new LatentAttention(at.at('self_attn'), {
        width: config.hiddenSize,
        heads,
        queryRank: config.qLoraRank,
        keyValueRank: config.kvLoraRank,
        plainDim: qkNopeHeadDim,
        rotatedDim: qkRopeHeadDim,
        valueDim,
        scale: headDim ** -0.5 * attentionFactor(config) ** 2,
        interleaved: design.interleaved,
        bias: config.attentionBias,
        weight: normal(config.initializerRange),
        dropout: config.attentionDropout,
        layer,
      }),
    feedForward(at, layer) {
      const mlp = at.at('mlp')
      if (layer < config.firstKDenseReplace) return gatedMlp(mlp, config)
      return mixture(mlp, config, {
        experts,
        inner,
        each: eachProjection,
        router: {
          name: 'gate',
          perToken: config.numExpertsPerTok,
          scaling: config.routedScalingFactor,
          groups: groupsOf(config, design.groupsBy),
          precision: 'float32',
          ...design.router,
        },
        shared:
          nSharedExperts === 0
            ? {}
            : { shared: gatedMlp(mlp.at('shared_experts'), config, { inner: inner * nSharedExperts }) },
      })
    },
  })
}

/** YaRN's temperature, which scales scores twice: once for the queries and once for the keys. */
function attentionFactor({ ropeScaling, ropeParameters }: DeepseekConfig): number {
  const older = Object.keys(ropeScaling ?? {}).length > 0
  const set = (older ? ropeScaling : ropeParameters) ?? {}
  const { factor, mscale_all_dim: weight = 0, rope_type, type } = set
  if ((rope_type ?? type ?? 'default') === 'default' || !(Number(factor) > 1) || weight === 0) return 1
  return 0.1 * Number(weight) * Math.log(Number(factor)) + 1
}

function groupsOf(
  { nGroup: count, topkGroup: chosen }: DeepseekConfig,
  by: DeepseekDesign['groupsBy'],
): RouterOptions['groups'] {
  if (by === undefined || count === undefined || chosen === undefined || count === chosen) return undefined
  return { count, chosen, by }
}

/** Refuses what no DeepSeek model can be. */
export function requireDeepseek(
  config: ValuesOf<typeof deepseekKeys>,
  groupsBy: DeepseekDesign['groupsBy'],
): void {
  const { nRoutedExperts: experts, numExpertsPerTok: perToken, nGroup, topkGroup } = config
  const refuse = (key: string, problem: string): never => {
    throw new ConfigError(`${key}: ${problem}`, { key })
  }
  if (perToken === 0) refuse('num_experts_per_tok', 'is missing')
  requireExperts(perToken, experts)
  if (config.moeLayerFreq !== 1) refuse('moe_layer_freq', 'experts stand in every layer after the dense ones')
  const { numAttentionHeads: heads, numKeyValueHeads: kvHeads = heads } = config
  if (kvHeads !== heads) {
    refuse(
      'num_key_value_heads',
      `${kvHeads} is not num_attention_heads ${heads}: latent attention has a key for each`,
    )
  }
  if (groupsBy === undefined) return
  if (nGroup === undefined || topkGroup === undefined)
    return refuse('n_group', 'is missing, or topk_group is')
  const each = experts / nGroup
  if (!Number.isInteger(each)) refuse('n_group', `${experts} experts do not divide into ${nGroup} groups`)
  if (groupsBy === 'best-two' && each < 2) refuse('n_group', 'a group has at least two experts')
  // DeepSeek-V2 fills up with experts of weight zero.
  if (topkGroup > nGroup || (groupsBy === 'best-two' && topkGroup * each < perToken)) {
    refuse(
      'topk_group',
      `${topkGroup} of ${nGroup} groups of ${each} experts, for ${perToken} of them a token`,
    )
  }
}
