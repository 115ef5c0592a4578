import { checkOptions, formatShape, OptionError, Parameter, UnsupportedError } from '@tiny/core'
import { requireNumber } from '../options.js'

export interface AdamWOptions {
  /** Learning rate; default 1e-3. */
  readonly lr?: number | undefined
  /** Decay of the moments m and v; default [0.9, 0.999]. */
  readonly betas?: readonly [number, number] | undefined
  /** Default 1e-8. */
  readonly eps?: number | undefined
  /** Decoupled decay of weights; default 0.01, as in PyTorch. */
  readonly weightDecay?: number | undefined
}

/** Parameters with options of their own; what a group leaves out is the optimizer's. */
export interface ParameterGroup extends AdamWOptions {
  readonly params: Iterable<Parameter>
}

export interface Group {
  readonly params: readonly Parameter[]
  readonly lr: number
  readonly beta1: number
  readonly beta2: number
  readonly eps: number
  readonly weightDecay: number
}

const allowed = ['lr', 'betas', 'eps', 'weightDecay']
const refused = ['amsgrad', 'maximize', 'foreach', 'capturable', 'differentiable', 'fused']

/**
 * Reads what an optimizer is made from, as in PyTorch.
 *
 * @throws OptionError for unknown options, values out of range, no parameters, or one that stands twice;
 *   UnsupportedError for PyTorch's options that are not here and for weights that are not float32.
 */
export function readGroups(
  params: Iterable<Parameter> | Iterable<ParameterGroup>,
  options: AdamWOptions,
): Group[] {
  const given = [...(params as Iterable<Parameter | ParameterGroup>)]
  const bare = given.filter((item): item is Parameter => item instanceof Parameter)
  if (bare.length > 0 && bare.length < given.length) {
    throw new OptionError('AdamW takes parameters or groups of parameters, not both at once', {
      option: 'params',
    })
  }
  const defaults = readOptions(
    options,
    { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0.01 },
    'AdamW',
  )
  const groups = bare.length > 0 ? [{ params: bare }] : (given as ParameterGroup[])
  const seen = new Set<Parameter>()
  const read = groups.map(({ params: own, ...rest }, i) => {
    const where = `AdamW's group ${i}`
    if (own === undefined || own === null)
      throw new OptionError(`${where} has no params`, { option: 'params' })
    const list = [...own]
    for (const parameter of list) {
      if (!(parameter instanceof Parameter)) {
        throw new OptionError(`${where}: params must be parameters of a model`, { option: 'params' })
      }
      if (seen.has(parameter)) {
        throw new OptionError(`the parameter '${parameter.name}' stands twice in AdamW's groups`, {
          parameter: parameter.name,
        })
      }
      seen.add(parameter)
      if (parameter.dtype !== 'float32') {
        throw new UnsupportedError(
          `the parameter '${parameter.name}' ${formatShape(parameter.dims)} is ${parameter.dtype}: weights are trained in float32; load the model with { dtype: 'float32' }`,
          { parameter: parameter.name, dtype: parameter.dtype },
        )
      }
    }
    const { lr, betas, eps, weightDecay } = readOptions(rest, defaults, where)
    return { params: list, lr, beta1: betas[0], beta2: betas[1], eps, weightDecay }
  })
  if (seen.size === 0) throw new OptionError('AdamW needs at least one parameter', { option: 'params' })
  return read
}

type Defaults = { readonly [K in keyof AdamWOptions]-?: NonNullable<AdamWOptions[K]> }

function readOptions(options: AdamWOptions, defaults: Defaults, where: string): Defaults {
  for (const option of refused) {
    if (option in options)
      throw new UnsupportedError(`${where} has no ${option}: its steps are fused and minimise`, { option })
  }
  checkOptions(options, allowed, where)
  const read = {
    ...defaults,
    ...Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)),
  }
  requireNumber(where, 'lr', read.lr, { least: 0 })
  requireNumber(where, 'eps', read.eps, { least: 0 })
  requireNumber(where, 'weightDecay', read.weightDecay, { least: 0 })
  if (!Array.isArray(read.betas) || read.betas.length !== 2) {
    throw new OptionError(`${where}: betas must be two numbers`, { option: 'betas' })
  }
  for (const [i, beta] of read.betas.entries()) {
    requireNumber(where, `betas[${i}]`, beta, { least: 0, most: 1 })
    if (beta === 1) throw new OptionError(`${where}: betas[${i}] must be below 1`, { option: 'betas' })
  }
  return read
}
