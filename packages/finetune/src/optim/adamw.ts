import {
  adamw,
  add,
  checkOptions,
  compile,
  DisposedError,
  div,
  evaluate,
  full,
  GradientError,
  maximum,
  minimum,
  mul,
  OptionError,
  randomKey,
  scalarInput,
  sqrt,
  sumSquares,
  throwIfAborted,
  variable,
  withRandomKey,
  type CompiledFunction,
  type Parameter,
  type Tensor,
  type Variable,
} from '@tiny/core'
import { requireFlag, requireNumber } from '../options.js'
import {
  modelLoss,
  packBatch,
  requireModel,
  requireSmoothable,
  type ModelInputs,
  type TrainableModel,
} from '../model-loss.js'
import { asLossSum, backward, batchArguments, type Backward, type LossResult } from './backward.js'
import { readGroups, type AdamWOptions, type Group, type ParameterGroup } from './groups.js'

export interface StepOptions {
  /** Learning rate of this step. Groups with a rate of their own keep its ratio to the optimizer's. */
  readonly lr?: number | undefined
  /** Longest gradient: longer ones are scaled down to it (global L2 norm). Default: none is. */
  readonly maxGradNorm?: number | undefined
  /** What dropout draws, together with the number of the step; default 0. */
  readonly seed?: number | undefined
  /** Share of the target that is spread evenly over all classes, where a model's loss is over classes; default 0. */
  readonly labelSmoothing?: number | undefined
  /**
   * Keeps of every layer of a model only its input and computes the rest again in the backward pass: less memory for
   * a third more work, and the same numbers. Default false.
   */
  readonly gradientCheckpointing?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

export interface StepResult {
  /** Mean over everything that counted (labelled tokens, rows), before the update. */
  readonly loss: number
  /** L2 norm of all gradients together, before clipping. */
  readonly gradNorm: number
}

interface Moments {
  readonly m: Variable
  readonly v: Variable
}

interface StepArguments {
  batches: unknown[]
  rates: Tensor[]
  maxNorm: Tensor | null
  step: Tensor
  key: Tensor
}

/** A model's (or a loss function's) plans. */
interface CompiledStep {
  readonly compiled: CompiledFunction<StepArguments, { loss: Tensor; gradNorm: Tensor }>
  /** Builds losses and gradients for the call at hand. */
  build: ((args: StepArguments) => Backward) | undefined
}

/** Losses whose plans are kept: a loop that makes a new function for every step compiles every time, but piles up nothing. */
const mostCompiled = 16

const stepOptions = ['lr', 'maxGradNorm', 'seed', 'labelSmoothing', 'gradientCheckpointing', 'signal']
const applyOptions = ['lr', 'maxGradNorm', 'signal']

/**
 * AdamW (Loshchilov and Hutter 2019) as PyTorch computes it. A step is one compiled plan of forward pass, backward
 * pass, clipping and update: one call into native code, which changes every parameter or, when it fails or is
 * aborted, none.
 */
export class AdamW {
  readonly #groups: readonly Group[]
  readonly #lr: number
  readonly #params: readonly Parameter[]
  #moments: Map<Parameter, Moments> | undefined
  readonly #compiled = new Map<object, CompiledStep>()
  #steps = 0
  #last: Promise<unknown> = Promise.resolve()
  #underWay = 0
  #disposed = false

  /** @param params parameters of a model, or groups of them with options of their own. */
  constructor(params: Iterable<Parameter> | Iterable<ParameterGroup>, options: AdamWOptions = {}) {
    this.#groups = readGroups(params, options)
    this.#params = this.#groups.flatMap((group) => group.params)
    this.#lr = options.lr ?? 1e-3
  }

  /** Updates so far. */
  get steps(): number {
    return this.#steps
  }

  /**
   * One update from a batch of a model, or from several whose gradients are accumulated: normalised over all their
   * labels together, so that two halves give what the whole gives. In training mode the model's dropout drops.
   *
   * Inputs are copied at the call; calls run one after the other.
   *
   * @throws OptionError, ShapeError, IndexError naming what is wrong with the inputs; `signal.reason` when aborted.
   *   Then neither the parameters nor the count of steps have changed.
   */
  async step(
    model: TrainableModel,
    inputs: ModelInputs | readonly ModelInputs[],
    options?: StepOptions,
  ): Promise<StepResult>
  /**
   * One update from any loss: `loss` is traced once, with a tensor in place of every `input(…)` of the batch. It
   * returns a scalar, or `{ lossSum, count }` where accumulated batches are to be weighted by what counts in them. An
   * array of inputs is several batches. Define the function once, outside the loop: another one is compiled anew.
   */
  async step<B extends object>(
    loss: (batch: B) => LossResult,
    inputs: object | readonly object[],
    options?: StepOptions,
  ): Promise<StepResult>
  async step(
    target: TrainableModel | ((batch: never) => LossResult),
    inputs: object | readonly object[],
    options: StepOptions = {},
  ): Promise<StepResult> {
    this.#check('AdamW.step', options, stepOptions)
    const batches = Array.isArray(inputs) ? (inputs as object[]) : [inputs]
    if (batches.length === 0) throw new OptionError('AdamW.step got no batch', { option: 'inputs' })
    const { labelSmoothing = 0, gradientCheckpointing = false } = options
    if (typeof target !== 'function') requireModel('AdamW.step', target)
    const model = typeof target === 'function' ? undefined : target
    if (model === undefined && labelSmoothing > 0) {
      throw new OptionError("AdamW.step: labelSmoothing belongs to a model's loss, not to a function", {
        option: 'labelSmoothing',
      })
    }
    if (model === undefined && gradientCheckpointing) {
      throw new OptionError(
        'AdamW.step: gradientCheckpointing is for models; a function of your own calls checkpoint(fn, …) itself',
        { option: 'gradientCheckpointing' },
      )
    }
    const packed = batches.map((batch, i) => {
      if (model === undefined) return batchArguments(batch, i)
      const training = packBatch(model, batch as ModelInputs)
      if (labelSmoothing > 0) requireSmoothable(model, training)
      return batchArguments(training, i)
    })
    // As things are at the call: the step may wait for others, and be traced only then.
    const training = model?.training ?? false
    const trainable = this.#trainable()
    const lossOf =
      model === undefined
        ? (batch: unknown) => asLossSum((target as (batch: unknown) => LossResult)(batch))
        : (batch: unknown) => modelLoss(model, batch, { labelSmoothing, training, gradientCheckpointing })
    const key = `${training}|${this.#frozen()}|${labelSmoothing}|${gradientCheckpointing}`
    const result = this.#enqueue(() =>
      this.#run(target, (args) => backward(args.batches, lossOf, trainable), packed, options, key),
    )
    return model === undefined ? result : model.track(result)
  }

  /**
   * One update from gradients of one's own, as `valueAndGrad` gives them: a mean's, not a sum's.
   *
   * @returns their norm before clipping.
   */
  async apply(
    grads: ReadonlyMap<Parameter, Tensor>,
    options: Omit<StepOptions, 'seed' | 'labelSmoothing' | 'gradientCheckpointing'> = {},
  ): Promise<{ gradNorm: number }> {
    this.#check('AdamW.apply', options, applyOptions)
    const known = new Set(this.#params)
    const given = [...grads].filter(([parameter]) => known.has(parameter))
    if (given.length === 0)
      throw new OptionError("AdamW.apply got no gradient of the optimizer's parameters", { option: 'grads' })
    const order = given.map(([parameter]) => parameter)
    const which = this.#params.map((parameter) => (grads.has(parameter) ? '1' : '0')).join('')
    const build = (args: StepArguments): Backward => ({
      lossSum: full([], 0),
      count: full([], 1),
      grads: new Map(order.map((parameter, i) => [parameter, args.batches[i] as Tensor])),
    })
    return this.#enqueue(async () => {
      throwIfAborted(options.signal)
      const values = given.map(([, grad]) => grad)
      await evaluate(values, { signal: options.signal })
      const { gradNorm } = await this.#run(this, build, values, options, which)
      return { gradNorm }
    })
  }

  /** Frees the moments and the compiled steps, once steps under way are done; twice is harmless. */
  async dispose(): Promise<void> {
    this.#disposed = true
    await this.#last.catch(() => {})
    for (const { compiled } of this.#compiled.values()) compiled.dispose()
    this.#compiled.clear()
    for (const { m, v } of this.#moments?.values() ?? []) {
      m.dispose()
      v.dispose()
    }
    this.#moments = undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose()
  }

  #check(where: string, options: StepOptions, allowed: readonly string[]): void {
    checkOptions(options, allowed, where)
    requireNumber(where, 'labelSmoothing', options.labelSmoothing, { least: 0, most: 1 })
    requireFlag(where, 'gradientCheckpointing', options.gradientCheckpointing)
    requireNumber(where, 'lr', options.lr, { least: 0 })
    requireNumber(where, 'maxGradNorm', options.maxGradNorm, { least: 0, above: true })
    requireNumber(where, 'seed', options.seed, { least: 0, most: 2 ** 31 - 1, integer: true })
    if (this.#disposed) throw new DisposedError('the optimizer was disposed of', {})
  }

  /**
   * Steps count up, so each waits for the one before to have counted or failed. Without one it starts at once: what is
   * asked of the parameters afterwards sees them updated.
   */
  #enqueue<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#underWay === 0 ? run() : this.#last.then(run, run)
    this.#last = result
    this.#underWay++
    const settled = (): void => void this.#underWay--
    result.then(settled, settled)
    return result
  }

  async #run(
    owner: object,
    build: (args: StepArguments) => Backward,
    batches: unknown[],
    { lr, maxGradNorm, seed = 0, signal }: StepOptions,
    key: string,
  ): Promise<StepResult> {
    throwIfAborted(signal)
    this.#moments ??= new Map(this.#params.map((parameter) => [parameter, momentsOf(parameter)]))
    const entry = this.#compiled.get(owner) ?? this.#compile(owner)
    entry.build = build // tracing, if it has to be done, happens within the call below
    const step = this.#steps + 1
    const share = lr === undefined || this.#lr === 0 ? 1 : lr / this.#lr
    const rates = this.#groups.map((group) =>
      scalarInput(lr !== undefined && group.lr === this.#lr ? lr : group.lr * share),
    )
    const maxNorm = maxGradNorm === undefined ? null : scalarInput(maxGradNorm)
    const results = await entry.compiled(
      { batches: batches as object[], rates, maxNorm, step: scalarInput(step), key: randomKey(seed, step) },
      { signal, key },
    )
    this.#steps = step
    return { loss: results.loss.data[0]!, gradNorm: results.gradNorm.data[0]! }
  }

  #compile(owner: object): CompiledStep {
    const entry: CompiledStep = {
      build: undefined,
      compiled: compile(
        (args: StepArguments) => withRandomKey(args.key, () => this.#update(entry.build!(args), args)),
        { name: 'AdamW.step' },
      ),
    }
    this.#compiled.set(owner, entry)
    const [oldest] = this.#compiled
    if (this.#compiled.size > mostCompiled && oldest !== undefined) {
      oldest[1].compiled.dispose()
      this.#compiled.delete(oldest[0])
    }
    return entry
  }

  /** Norm, clipping (as torch.nn.utils.clip_grad_norm_) and updates of the summed gradients. */
  #update({ lossSum, count, grads }: Backward, { rates, maxNorm, step }: StepArguments) {
    if (grads.size === 0) {
      throw new GradientError("the loss depends on none of the optimizer's parameters", {})
    }
    const one = full([], 1)
    // Nothing labelled: a loss and gradients of 0, not 0 / 0.
    const mean = div(one, maximum(count, one))
    const gradNorm = mul(sqrt(sumSquares([...grads.values()])), mean)
    const clip =
      maxNorm === null ? mean : mul(mean, minimum(div(maxNorm, add(gradNorm, full([], 1e-6))), one))
    for (const [i, { params, beta1, beta2, eps, weightDecay }] of this.#groups.entries()) {
      for (const parameter of params) {
        const grad = grads.get(parameter)
        if (grad === undefined) continue
        const { m, v } = this.#moments!.get(parameter)!
        adamw(parameter, m, v, { grad, lr: rates[i]!, step, clip, beta1, beta2, eps, weightDecay })
      }
    }
    return { loss: mul(lossSum, mean), gradNorm }
  }

  #trainable(): Parameter[] {
    return this.#params.filter((parameter) => parameter.requiresGrad)
  }

  /** Which parameters are frozen: another set is another plan. */
  #frozen(): string {
    return this.#params.map((parameter) => (parameter.requiresGrad ? 1 : 0)).join('')
  }
}

function momentsOf(parameter: Parameter): Moments {
  const zeros = (name: string): Variable =>
    variable(`${parameter.name}.${name}`, null, { shape: parameter.shape, dtype: 'float32' })
  return { m: zeros('exp_avg'), v: zeros('exp_avg_sq') }
}
