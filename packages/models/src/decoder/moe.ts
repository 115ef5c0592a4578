import { ConfigError } from '@tiny/core'
import { activationOf } from '../blocks/activations.js'
import {
  Experts,
  MixtureOfExperts,
  plainGlu,
  type ExpertsOptions,
  type MixtureOptions,
} from '../blocks/experts.js'
import { Router, type RouterOptions } from '../blocks/router.js'
import type { Balance } from '../blocks/stack.js'
import { flag, nonNegative, optional, size, type Key, type Keys, type ValuesOf } from '../config/keys.js'
import { normal } from '../parameters/initialisers.js'
import type { Weights } from '../parameters/weights.js'
import type { Task } from '../task.js'

/** Keys of transformers' mixtures of experts. */
export const mixtureKeys = {
  numExpertsPerTok: size(2),
  outputRouterLogits: flag(false),
  routerAuxLossCoef: nonNegative(0.001),
} satisfies Keys

/** A key whose null means none, but whose absence means the fallback. */
export { orNone } from '../config/keys.js'

const numbers: Key<readonly number[]> = {
  fallback: [],
  read(value, name) {
    if (Array.isArray(value) && value.every((item) => Number.isInteger(item))) return value
    throw new ConfigError(`${name} of the configuration must be a list of layers`, { key: name, value })
  },
}

/** Which layers have experts: every `decoder_sparse_step`th but those of `mlp_only_layers`. */
export const sparseKeys = { decoderSparseStep: size(1), mlpOnlyLayers: optional(numbers) } satisfies Keys

interface SparseConfig extends ValuesOf<typeof sparseKeys> {
  readonly numExperts: number
}

export const isSparse = (
  { decoderSparseStep, mlpOnlyLayers = [], numExperts }: SparseConfig,
  layer: number,
): boolean => numExperts > 0 && !mlpOnlyLayers.includes(layer) && (layer + 1) % decoderSparseStep === 0

/** Refuses routers without enough experts, and a balance of routers where there are none. */
export function requireSparse(
  config: SparseConfig & ValuesOf<typeof mixtureKeys> & { readonly numHiddenLayers: number },
): void {
  const { numExperts, numExpertsPerTok, numHiddenLayers, outputRouterLogits } = config
  const sparse = Array.from({ length: numHiddenLayers }, (_, layer) => isSparse(config, layer)).includes(true)
  if (sparse) requireExperts(numExpertsPerTok, numExperts)
  else if (outputRouterLogits) {
    throw new ConfigError('output_router_logits: no layer has a router', { key: 'output_router_logits' })
  }
}

/** What transformers adds to a language model's loss, where `output_router_logits` asks for the routers' logits. */
export function balanceOf(
  { outputRouterLogits, routerAuxLossCoef, numExpertsPerTok }: ValuesOf<typeof mixtureKeys>,
  experts: number,
  task: Task,
): Balance | undefined {
  if (task !== 'CausalLM' && task !== 'Base') return undefined
  return {
    experts,
    perToken: numExpertsPerTok,
    coefficient: routerAuxLossCoef,
    usual: outputRouterLogits,
  }
}

/** Refuses tokens that would go to more experts than there are. */
export function requireExperts(perToken: number, experts: number): void {
  if (perToken <= experts) return
  throw new ConfigError(
    `num_experts_per_tok ${perToken} is more than the ${experts} experts that there are`,
    {
      key: 'num_experts_per_tok',
    },
  )
}

/** The names of LLaMA's products, which most families' experts have. */
export const eachProjection = { gate: 'gate_proj', up: 'up_proj', down: 'down_proj' } as const

export interface MixtureDesign extends Pick<ExpertsOptions, 'each' | 'stack'> {
  readonly experts: number
  /** Inner width of one. */
  readonly inner: number
  readonly glu?: ExpertsOptions['glu']
  readonly router: Omit<RouterOptions, 'width' | 'experts' | 'weight'> & { readonly name: string }
  readonly shared?: Pick<MixtureOptions, 'shared' | 'sharedGate'>
}

/** Experts and their router as the feed-forward part of a layer. */
export function mixture(
  weights: Weights,
  config: { readonly hiddenSize: number; readonly hiddenAct: string; readonly initializerRange: number },
  { experts, inner, glu, router: { name, ...router }, shared, ...storage }: MixtureDesign,
): MixtureOfExperts {
  const common = { width: config.hiddenSize, experts, weight: normal(config.initializerRange) }
  return new MixtureOfExperts({
    router: new Router(weights.at(name), { ...common, ...router }),
    experts: new Experts(weights.at('experts'), {
      ...common,
      ...storage,
      inner,
      glu: glu ?? plainGlu(activationOf(config.hiddenAct, 'hidden_act')),
    }),
    ...shared,
  })
}
