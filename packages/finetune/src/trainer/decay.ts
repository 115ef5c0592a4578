import type { Parameter } from '@tiny/core'
import type { ParameterGroup } from '../optim/groups.js'

// transformers' get_decay_parameter_names: biases by name, norms by name or by their class.
const plain = /bias|layernorm|rmsnorm|(?:^|\.)norm(?:$|\.)|_norm(?:$|\.)/
// What else has one dimension is a norm's weight, but for attention's sinks and rates of Mamba's heads: these decay.
const vectors = /\.(?:sinks|a_log|d)$/

/** Two groups: weights that decay, and norms and biases (T5's tables of them, too), as transformers' Trainer has them. */
export function decayGroups(
  named: Iterable<readonly [string, Parameter]>,
  weightDecay: number,
): ParameterGroup[] {
  const decays: Parameter[] = []
  const others: Parameter[] = []
  for (const [name, parameter] of named) {
    const lower = name.toLowerCase()
    const isNorm = parameter.rank < 2 && !vectors.test(lower)
    const group = isNorm || plain.test(lower) ? others : decays
    group.push(parameter)
  }
  return [
    { params: decays, weightDecay },
    { params: others, weightDecay: 0 },
  ].filter(({ params }) => params.length > 0)
}
