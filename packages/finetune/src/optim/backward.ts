import { add, Dim, full, gradients, Input, OptionError, Tensor, type Parameter } from '@tiny/core'

/** A loss as it is accumulated: summed over what it counts (tokens, rows), and how many those are. Scalars. */
export interface LossSum {
  readonly lossSum: Tensor
  readonly count: Tensor
}

export interface Backward extends LossSum {
  /** Gradients of `lossSum`, of the parameters that it depends on. */
  readonly grads: Map<Parameter, Tensor>
}

/**
 * Losses and gradients of several batches, summed: divided by `count` they are those of all rows in one batch, which
 * is how transformers accumulates (`num_items_in_batch`). Each batch's forward and backward pass is built before the
 * next one's, and a plan keeps that order, so that only one batch's activations live at a time.
 */
export function backward<B>(
  batches: readonly B[],
  lossOf: (batch: B) => LossSum,
  params: readonly Parameter[],
): Backward {
  let total: Backward | undefined
  for (const batch of batches) {
    const { lossSum, count } = lossOf(batch)
    const grads = gradients(lossSum, params)
    if (total === undefined) {
      total = { lossSum, count, grads }
      continue
    }
    const sums = new Map(total.grads)
    for (const [param, grad] of grads) {
      const sum = sums.get(param)
      sums.set(param, sum === undefined ? grad : add(sum, grad))
    }
    total = { lossSum: add(total.lossSum, lossSum), count: add(total.count, count), grads: sums }
  }
  if (total === undefined) throw new OptionError('a step needs at least one batch', { option: 'inputs' })
  return total
}

/** What a loss function may return: a scalar (a mean, which counts as one), or its sum and count. */
export type LossResult = Tensor | LossSum

/** @throws OptionError for anything else. */
export function asLossSum(result: LossResult): LossSum {
  if (result instanceof Tensor) return { lossSum: result, count: full([], 1) }
  if (result?.lossSum instanceof Tensor && result.count instanceof Tensor) return result
  throw new OptionError('a loss function returns a scalar tensor, or { lossSum, count }', { option: 'loss' })
}

/**
 * The arguments of one of several batches of a compiled call: every array becomes an input, and its symbolic sizes
 * become its own (`tokens` of batch 1 is not `tokens` of batch 0).
 */
export function batchArguments(value: unknown, index: number): unknown {
  if (value instanceof Input) return index === 0 ? value : renamed(value, index)
  if (value instanceof Tensor || typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((inner) => batchArguments(inner, index))
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name, batchArguments(inner, index)]),
  )
}

function renamed(argument: Input, index: number): Input {
  const dims = argument.dims.map(
    (dim) =>
      new Dim(
        dim.constant,
        [...dim.terms].map(([symbol, factor]) => [`${symbol}_${index}`, factor] as const),
      ),
  )
  const { dtype, data, shape } = argument
  return new Input(dtype, dims, shape === undefined || data instanceof Tensor ? data : { shape, data })
}
