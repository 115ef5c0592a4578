import {
  cast,
  checkOptions,
  compile,
  div,
  full,
  maximum,
  OptionError,
  randomKey,
  withRandomKey,
} from '@tiny/core'
import type { CompiledFunction, Parameter, Tensor } from '@tiny/core'
import { modelLoss, packBatch, requireModel, type ModelInputs, type TrainableModel } from './model-loss.js'
import { backward, batchArguments } from './optim/backward.js'
import { requireNumber } from './options.js'

export interface Gradient {
  readonly shape: number[]
  readonly data: Float32Array
}

export interface LossAndGradients {
  /** Mean over everything that counts: labelled tokens or rows. */
  readonly loss: number
  /** Of that mean, by the names of `model.namedParameters()`; what the loss does not depend on is not there. */
  readonly gradients: Map<string, Gradient>
}

export interface LossAndGradientsOptions {
  /** What dropout draws where the model is in training mode; default 0. */
  readonly seed?: number | undefined
  readonly signal?: AbortSignal | undefined
}

interface GradientArguments {
  batches: unknown[]
  key: Tensor
}

type Results = { loss: Tensor; gradients: (Tensor | null)[] }

const compiledOf = new WeakMap<TrainableModel, CompiledFunction<GradientArguments, Results>>()

/**
 * The loss of a batch and the gradients of every parameter that is not frozen. Several batches give the gradients of
 * all their rows together. Dropout drops in training mode only.
 *
 * @throws OptionError, ShapeError, IndexError naming what is wrong with the inputs; `signal.reason` when aborted.
 */
export async function lossAndGradients(
  model: TrainableModel,
  inputs: ModelInputs | readonly ModelInputs[],
  options: LossAndGradientsOptions = {},
): Promise<LossAndGradients> {
  checkOptions(options, ['seed', 'signal'], 'lossAndGradients')
  requireModel('lossAndGradients', model)
  requireNumber('lossAndGradients', 'seed', options.seed, { least: 0, most: 2 ** 31 - 1, integer: true })
  const given = Array.isArray(inputs) ? (inputs as readonly ModelInputs[]) : [inputs as ModelInputs]
  if (given.length === 0) throw new OptionError('lossAndGradients got no batch', { option: 'inputs' })
  const batches = given.map((batch, i) => batchArguments(packBatch(model, batch), i) as object)

  const named = [...model.namedParameters()].filter(([, parameter]) => parameter.requiresGrad)
  let compiled = compiledOf.get(model)
  if (compiled === undefined) {
    compiled = compile((args: GradientArguments) => meanAndGradients(model, args), {
      name: 'lossAndGradients',
    })
    compiledOf.set(model, compiled)
    model.onDispose(() => compiled!.dispose())
  }
  const key = `${model.training}|${named.map(([name]) => name).join()}`
  const { seed = 0, signal } = options
  const results = await model.track(compiled({ batches, key: randomKey(seed, 0) }, { signal, key }))

  const gradients = new Map<string, Gradient>()
  for (const [i, [name]] of named.entries()) {
    const gradient = results.gradients[i]
    if (gradient != null) gradients.set(name, { shape: gradient.shape, data: gradient.data as Float32Array })
  }
  return { loss: results.loss.data[0]!, gradients }
}

function meanAndGradients(model: TrainableModel, { batches, key }: GradientArguments): Results {
  const params: Parameter[] = [...model.parameters()].filter((parameter) => parameter.requiresGrad)
  return withRandomKey(key, () => {
    const { lossSum, count, grads } = backward(batches, (batch) => modelLoss(model, batch), params)
    const total = maximum(count, full([], 1))
    const mean = (grad: Tensor | undefined): Tensor | null =>
      grad === undefined ? null : div(grad.dtype === 'float32' ? grad : cast(grad, 'float32'), total)
    return { loss: div(lossSum, total), gradients: params.map((parameter) => mean(grads.get(parameter))) }
  })
}
