import { join } from 'node:path'
import { CheckpointError, full, openCheckpoint, saveCheckpoint, sum, type Tensor } from '@tiny/core'
import { activationOf } from '../blocks/activations.js'
import { Linear } from '../blocks/linear.js'
import { LayerNorm } from '../blocks/norms.js'
import { normal } from '../parameters/initialisers.js'
import { loadWeights } from '../parameters/load.js'
import { Weights } from '../parameters/weights.js'
import { readModuleConfig, type ModuleEntry } from './modules.js'

/** What is done to a sentence's vector after pooling. */
export interface VectorModule {
  readonly kind: string
  readonly json: Readonly<Record<string, unknown>>
  readonly weights: Weights
  /** [sequences, in] to [sequences, out]. */
  apply(x: Tensor): Tensor
}

/** Each row divided by its length, which is at least 1e-12 (torch.nn.functional.normalize). */
export function normalizeRows(x: Tensor): Tensor {
  const squared = sum(x.square(), 'last') // [sequences]
  return x.mul(
    squared
      .maximum(full([], 1e-24))
      .rsqrt()
      .reshape([x.dim(0), 1]),
  )
}

type Json = Readonly<Record<string, unknown>>

const makers: Readonly<
  Record<string, (weights: Weights, json: Json, folder: string) => VectorModule['apply']>
> = {
  Normalize: () => normalizeRows,

  Dense(weights, json, folder) {
    const linear = new Linear(
      weights.at('linear'),
      sizeOf(json, 'in_features', folder),
      sizeOf(json, 'out_features', folder),
      { weight: normal(0.02), bias: json['bias'] !== false },
    )
    const activation = denseActivation(json['activation_function'])
    return (x) => activation(linear.apply(x))
  },

  LayerNorm(weights, json, folder) {
    const norm = new LayerNorm(weights.at('norm'), sizeOf(json, 'dimension', folder), { eps: 1e-5 })
    return (x) => norm.apply(x)
  },
}

/** @throws CheckpointError for what the module's files lack. */
export async function loadVectorModule({ kind, folder }: ModuleEntry): Promise<VectorModule> {
  const json = await readModuleConfig(folder)
  const weights = Weights.root()
  const apply = makers[kind]!(weights, json, folder)
  if (weights.all.length > 0) {
    const file = await openCheckpoint(folder)
    try {
      await loadWeights(weights.all, file, {
        prefix: '',
        names: {},
        newHead: false,
        seed: 0,
        dtype: 'float32',
      })
    } finally {
      file.close()
    }
  }
  return { kind, json, weights, apply }
}

/** Writes a module's parameters, where it has any. */
export async function saveVectorModule({ weights }: VectorModule, folder: string): Promise<void> {
  if (weights.all.length === 0) return
  const tensors = weights.all.map(({ name, parameter }) => [name, parameter] as const)
  await saveCheckpoint(join(folder, 'model.safetensors'), tensors, { format: 'pt' })
}

/** sentence-transformers writes the class of torch.nn; Tanh unless it says another. */
function denseActivation(name: unknown): (x: Tensor) => Tensor {
  const type = typeof name === 'string' ? name : 'torch.nn.modules.activation.Tanh'
  const short = type.slice(type.lastIndexOf('.') + 1).toLowerCase()
  return short === 'identity' ? (x) => x : activationOf(short, 'activation_function').apply
}

function sizeOf(json: Json, key: string, folder: string): number {
  const value = json[key]
  if (typeof value === 'number' && Number.isInteger(value) && value > 0) return value
  throw new CheckpointError(`${join(folder, 'config.json')}: ${key} must be a positive integer`, { key })
}
