import { gelu, geluTanh, relu, silu, tanh, ConfigError, type MatmulOptions, type Tensor } from '@tiny/core'

/** An activation, and its name where a matrix product can apply it on its way out. */
export interface Activation {
  readonly apply: (x: Tensor) => Tensor
  readonly fused: NonNullable<MatmulOptions['activation']>
}

const exactGelu: Activation = { apply: gelu, fused: 'gelu' }
const tanhGelu: Activation = { apply: geluTanh, fused: 'gelu_tanh' }
const swish: Activation = { apply: silu, fused: 'silu' }

/** By transformers' names (`ACT2FN`). */
const activations: Readonly<Record<string, Activation>> = {
  gelu: exactGelu,
  gelu_python: exactGelu,
  gelu_new: tanhGelu,
  gelu_fast: tanhGelu,
  gelu_pytorch_tanh: tanhGelu,
  gelu_accurate: tanhGelu,
  relu: { apply: relu, fused: 'relu' },
  silu: swish,
  swish,
  tanh: { apply: tanh, fused: 'tanh' },
}

/** @throws ConfigError naming the key for an activation that there is not. */
export function activationOf(name: string, key: string): Activation {
  const found = Object.hasOwn(activations, name) ? activations[name] : undefined
  if (found !== undefined) return found
  throw new ConfigError(
    `${key}: there is no activation '${name}'; known are ${Object.keys(activations).join(', ')}`,
    {
      key,
      value: name,
    },
  )
}
