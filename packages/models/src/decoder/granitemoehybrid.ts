import { ConfigError } from '@tiny/core'
import { activationOf } from '../blocks/activations.js'
import { Mamba2, mamba2State, type Mamba2Options } from '../blocks/mamba.js'
import { Mlp } from '../blocks/mlp.js'
import { flag, integer, oneOf, optional, orNone, size, type Key, type ValuesOf } from '../config/keys.js'
import { layerTypesKey } from '../config/layer-types.js'
import { ropeOptions } from '../config/rope.js'
import { normal } from '../parameters/initialisers.js'
import { biasKeys, denseDecoder, denseKeys, denseNeutral, headDimOf } from './dense.js'
import { decoderFamily, requireHeads } from './generic.js'
import { graniteMultipliers } from './granite.js'
import { storedExperts } from './granitemoe.js'
import { balanceOf, mixture, mixtureKeys, requireExperts } from './moe.js'

const headWidth: Key<number | 'auto'> = {
  fallback: 'auto',
  read: (value, name) => (value === 'auto' ? value : size(0).read(value, name)),
}

/** Numbers, of which transformers writes an infinite one as `{ "__float__": "Infinity" }`. */
const stepLimit: Key<readonly [number, number]> = {
  fallback: [0, Infinity],
  read(value, name) {
    const limits = Array.isArray(value) ? value.map(numberIn) : []
    const [least, most] = limits
    if (limits.length === 2 && least! >= 0 && least! <= most!) return [least!, most!]
    throw new ConfigError(`${name} of the configuration must be two numbers from 0 on, the lower one first`, {
      key: name,
      value,
    })
  },
}

function numberIn(value: unknown): number {
  if (typeof value === 'number') return value
  return (value as { __float__?: unknown } | null)?.__float__ === 'Infinity' ? Infinity : NaN
}

const keys = {
  ...denseKeys,
  ...mixtureKeys,
  ...graniteMultipliers,
  attentionBias: biasKeys.attentionBias,
  numLocalExperts: integer(8, 'numExperts'),
  numExpertsPerTok: integer(2),
  sharedIntermediateSize: size(1024),
  positionEmbeddingType: optional(oneOf(['rope', 'nope', 'none'], 'none')),
  layerTypes: { ...layerTypesKey, alias: 'layersBlockType' },
  normalizationFunction: oneOf(['rmsnorm'], 'rmsnorm'),
  mambaNHeads: size(128),
  mambaNGroups: size(1),
  mambaDState: size(256),
  mambaDHead: headWidth,
  mambaDConv: size(4),
  mambaExpand: size(2),
  mambaConvBias: orNone(flag(true)),
  mambaProjBias: flag(false),
  timeStepLimit: stepLimit,
}

type HybridConfig = ValuesOf<typeof keys>

/** Granite 4 (IBM 2025): layers of attention or of Mamba-2, each with a dense network and, in larger ones, experts. */
export const granitemoehybrid = decoderFamily({
  schema: {
    modelType: 'granitemoehybrid',
    keys,
    defaults: { bosTokenId: 1, eosTokenId: 2, tieWordEmbeddings: false },
    // How blocks of tokens are cut, and how steps and weights were drawn.
    neutral: [...denseNeutral, 'mamba_chunk_size', 'time_step_min', 'time_step_max', 'init_method'],
    check,
  },
  name: 'GraniteMoeHybrid',
  tasks: ['CausalLM'],
  build(weights, config, { task }) {
    const { numLocalExperts: experts, numExpertsPerTok: perToken, hiddenSize: width } = config
    const kinds = kindsOf(config)
    const rope =
      config.positionEmbeddingType === 'rope' ? ropeOptions(config, { headDim: headDimOf(config) }) : null
    const weight = normal(config.initializerRange)
    const activation = activationOf(config.hiddenAct, 'hidden_act')
    const recurrence = kinds.includes('mamba') ? recurrenceOf(config) : undefined
    return denseDecoder(weights, config, {
      embeddingScale: config.embeddingMultiplier,
      residualMultiplier: config.residualMultiplier,
      attention: () => ({ scale: config.attentionMultiplier }),
      rope: (layer) => (kinds[layer] === 'attention' ? rope : null),
      mixer: (at, layer) =>
        recurrence === undefined || kinds[layer] === 'attention'
          ? undefined
          : new Mamba2(at.at('mamba'), {
              ...recurrence,
              width,
              convBias: config.mambaConvBias === true,
              projectionBias: config.mambaProjBias,
              activation,
              eps: config.rmsNormEps,
              stepLimit: config.timeStepLimit,
              weight,
              layer,
            }),
      cache: {
        leading: readsPadding(config) ? config.mambaDConv - 1 : undefined,
        recurrent: (layer) =>
          recurrence === undefined || kinds[layer] === 'attention' ? undefined : mamba2State(recurrence),
      },
      feedForward(at) {
        const shared = new Mlp(at.at('shared_mlp'), {
          width,
          inner: config.sharedIntermediateSize,
          activation,
          bias: false,
          dropout: { output: 0 },
          gate: 'first half',
          up: { name: 'input_linear', weight },
          down: { name: 'output_linear', weight },
        })
        if (experts === 0) return shared
        return mixture(at.at('block_sparse_moe'), config, {
          experts,
          inner: config.intermediateSize,
          router: { name: 'router', perToken, scores: 'softmax-of-chosen' },
          shared: { shared },
        })
      },
      balance: experts === 0 ? undefined : balanceOf(config, experts, task),
    })
  },
  tokens: (config) => ({
    readsPadding: readsPadding(config) ? 'before' : kindsOf(config).includes('mamba') ? 'between' : undefined,
  }),
  languageModel: ({ logitsScaling }) => ({ scale: 1 / logitsScaling }),
  checkpoint: { stored: storedExperts },
})

type Kind = 'attention' | 'mamba'
const kindOf: Readonly<Record<string, Kind>> = {
  attention: 'attention',
  full_attention: 'attention',
  linear_attention: 'mamba',
  mamba: 'mamba',
}

/** What each layer is; all are recurrences where the configuration does not say. */
function kindsOf({ layerTypes, numHiddenLayers: count }: HybridConfig): readonly Kind[] {
  if (layerTypes === undefined || layerTypes.length === 0) return Array.from({ length: count }, () => 'mamba')
  const unknown = layerTypes.find((type) => !Object.hasOwn(kindOf, type))
  if (unknown !== undefined || layerTypes.length !== count) {
    throw new ConfigError(
      unknown === undefined
        ? `layer_types lists ${layerTypes.length} layers, num_hidden_layers is ${count}`
        : `layer_types: there is no '${unknown}' here; known are ${Object.keys(kindOf).join(', ')}`,
      { key: 'layer_types', value: unknown ?? layerTypes.length },
    )
  }
  return layerTypes.map((type) => kindOf[type]!)
}

/** Whether a recurrence gets something of padding, which enters a layer as zeros: the bias of its first product. */
const readsPadding = (config: HybridConfig): boolean =>
  config.mambaProjBias && kindsOf(config).includes('mamba')

type Recurrence = Pick<Mamba2Options, 'heads' | 'headDim' | 'groups' | 'state' | 'taps'>

/** @throws ConfigError for heads that do not make up the inner width, or do not share the groups evenly. */
function recurrenceOf(config: HybridConfig): Recurrence {
  const { mambaNHeads: heads, mambaNGroups: groups, mambaDHead, mambaExpand, hiddenSize } = config
  const inner = mambaExpand * hiddenSize
  const headDim = mambaDHead === 'auto' ? inner / heads : mambaDHead
  if (heads * headDim !== inner || !Number.isInteger(headDim)) {
    throw new ConfigError(
      `mamba_n_heads ${heads} heads of mamba_d_head ${mambaDHead} are not the ${inner} columns of mamba_expand ${mambaExpand} times hidden_size ${hiddenSize}`,
      { key: 'mamba_d_head' },
    )
  }
  if (heads % groups !== 0) {
    throw new ConfigError(`mamba_n_heads ${heads} is not a multiple of mamba_n_groups ${groups}`, {
      key: 'mamba_n_groups',
    })
  }
  return { heads, headDim, groups, state: config.mambaDState, taps: config.mambaDConv }
}

function check(config: HybridConfig): void {
  requireHeads(config)
  if (config.numLocalExperts > 0) {
    size(1).read(config.numExpertsPerTok, 'num_experts_per_tok')
    requireExperts(config.numExpertsPerTok, config.numLocalExperts)
  }
  if (kindsOf(config).includes('mamba')) recurrenceOf(config)
}
