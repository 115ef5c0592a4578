import type { PreTrainedModel } from '../src/model.js'
import type { Tensors } from './reference.js'

/** Other contents for every parameter, so that no bias is zero and no norm's weight one; by the names of files. */
export function shake(model: PreTrainedModel): Tensors {
  let seed = 17
  const random = (): number => (seed = (seed * 48271) % 2147483647) / 2147483647 - 0.5
  const tensors = new Map<string, { shape: number[]; data: Float32Array }>()
  const names = new Map(Array.from(model.namedTensors(), ([name, tensor]) => [tensor, name]))
  for (const parameter of model.parameters()) {
    const name = names.get(parameter)!
    const { shape } = parameter
    const centre = /(norm|ln_\w+)\.weight$/i.test(name) ? 1 : 0
    const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => centre + random())
    parameter.assign({ shape, data })
    tensors.set(name, { shape, data })
  }
  return tensors
}
