import {
  abs,
  clamp,
  ConfigError,
  exp,
  full,
  gelu,
  geluTanh,
  log,
  neg,
  relu,
  scale,
  sigmoid,
  silu,
  square,
  tanh,
  type MatmulOptions,
  type Tensor,
} from '@tiny/core'
import type { Linear } from './linear.js'

/** An activation, and its name where a matrix product can apply it on its way out. */
export interface Activation {
  readonly apply: (x: Tensor) => Tensor
  readonly fused?: NonNullable<MatmulOptions['activation']>
}

const exactGelu: Activation = { apply: gelu, fused: 'gelu' }
const tanhGelu: Activation = { apply: geluTanh, fused: 'gelu_tanh' }
const swish: Activation = { apply: silu, fused: 'silu' }

/** log(1 + exp(x)), which does not overflow. */
const softplus = (x: Tensor): Tensor => relu(x).add(log(exp(neg(abs(x))).add(full([], 1))))

/** By transformers' names (`ACT2FN`). */
const activations: Readonly<Record<string, Activation>> = {
  gelu: exactGelu,
  gelu_python: exactGelu,
  gelu_10: { apply: (x) => clamp(gelu(x), { min: -10, max: 10 }) },
  gelu_new: tanhGelu,
  gelu_fast: tanhGelu,
  gelu_pytorch_tanh: tanhGelu,
  gelu_python_tanh: tanhGelu,
  gelu_accurate: tanhGelu,
  hardswish: { apply: (x) => x.mul(scale(clamp(x.add(full([], 3)), { min: 0, max: 6 }), 1 / 6)) },
  quick_gelu: { apply: (x) => x.mul(sigmoid(scale(x, 1.702))) },
  relu: { apply: relu, fused: 'relu' },
  relu2: { apply: (x) => square(relu(x)) },
  relu6: { apply: (x) => clamp(x, { min: 0, max: 6 }) },
  leaky_relu: { apply: (x) => relu(x).sub(scale(relu(neg(x)), 0.01)) },
  linear: { apply: (x) => x },
  mish: { apply: (x) => x.mul(tanh(softplus(x))) },
  sigmoid: { apply: sigmoid },
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

/** The activation of a product: inside of it where it can be, else after it. */
export const activated = (linear: Linear, x: Tensor, { apply, fused }: Activation): Tensor =>
  fused === undefined ? apply(linear.apply(x)) : linear.apply(x, { activation: fused })
