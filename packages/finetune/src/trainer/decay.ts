import type { Parameter } from '@tiny/core'
import type { ParameterGroup } from '../optim/groups.js'

// transformers' get_decay_parameter_names: biases by name, norms by name. A norm's weight has one dimension, too.
const plain = /bias|layernorm|rmsnorm|(?:^|\.)norm(?:$|\.)|_norm(?:$|\.)/

/** Two groups: weights that decay, and those of one dimension, of norms and biases (T5's tables of them, too). */
export function decayGroups(
  named: Iterable<readonly [string, Parameter]>,
  weightDecay: number,
): ParameterGroup[] {
  const decays: Parameter[] = []
  const others: Parameter[] = []
  for (const [name, parameter] of named) {
    const group = parameter.rank < 2 || plain.test(name.toLowerCase()) ? others : decays
    group.push(parameter)
  }
  return [
    { params: decays, weightDecay },
    { params: others, weightDecay: 0 },
  ].filter(({ params }) => params.length > 0)
}
