import {
  compile,
  input,
  OptionError,
  type CompiledFunction,
  type HostTensor,
  type Input,
  type Tensor,
} from '@tiny/core'
import type { HeadOutput } from '../heads/index.js'
import { mapBatch, type Batch, type HostArray } from '../inputs/batch.js'
import type { Packed } from '../inputs/pack.js'
import type { ProblemType } from '../inputs/targets.js'
import { headLoss, longest, runBackbone, type Network } from '../network.js'
import type { Task } from '../task.js'
import { Presenter, type ModelOutput } from './model-output.js'
import { spread, spreadingOf, type Spreading } from './spread.js'

export interface RunOptions {
  readonly outputHiddenStates?: boolean | undefined
  readonly outputAttentions?: boolean | undefined
  /**
   * Routers' logits of models with experts. A language model's loss then has the one that balances experts, too.
   * Default: `output_router_logits` of the configuration.
   */
  readonly outputRouterLogits?: boolean | undefined
  /** Logits of every token (default), of each row's last, or none: a loss is computed without them. */
  readonly outputLogits?: boolean | 'all' | 'last' | undefined
  readonly signal?: AbortSignal | undefined
}

export const runOptions = [
  'outputHiddenStates',
  'outputAttentions',
  'outputRouterLogits',
  'outputLogits',
  'signal',
]

/** What a plan depends on beside the structure of its batch. */
interface Wanted {
  readonly hiddenStates: boolean
  readonly attentions: boolean
  readonly routerLogits: boolean | undefined
  readonly logits: 'all' | 'last' | 'none'
  readonly loss: boolean
  readonly problemType: ProblemType | undefined
}

interface RunArguments {
  batch: Batch<Tensor>
  spreading: Spreading<Tensor>
  encoderSpreading: Spreading<Tensor> | undefined
  wanted: Wanted
}

/** Results by name; which group says how they are laid out. `T` is Tensor in the plan, HostTensor when delivered. */
interface RunResults<T> {
  loss?: T
  auxLoss?: T
  /** A row for each token of the caller's rectangle, or for each of the encoder's. */
  tokens: Record<string, T | T[]>
  /** The same, of a rectangle without a dimension of columns. */
  flatTokens: Record<string, T[]>
  /** One number for each token. */
  numbers: Record<string, T>
  encoderTokens: Record<string, T | T[]>
  /** A row for each sequence, or the one of its last token. */
  sequences: Record<string, T>
  /** A number for each sequence, which are choices of examples. */
  examples: Record<string, T>
  last: Record<string, T>
  weights: Record<string, T[]>
}

/** `run` of a model: one call into native code for each batch, by plans that are compiled when first asked for. */
export class Runner {
  readonly #compiled: CompiledFunction<RunArguments, RunResults<Tensor>>

  constructor(network: Network, task: Task, name: string) {
    this.#compiled = compile((args: RunArguments) => outputsOf(network, task, args), { name })
  }

  /** Inputs are copied before this returns. */
  async run(packed: Packed, options: RunOptions): Promise<ModelOutput> {
    const { batch, layout, encoderLayout, problemType } = packed
    const wanted: Wanted = {
      hiddenStates: flagOf(options, 'outputHiddenStates') ?? false,
      attentions: flagOf(options, 'outputAttentions') ?? false,
      routerLogits: flagOf(options, 'outputRouterLogits'),
      logits: logitsOf(options.outputLogits),
      loss: packed.labelled,
      problemType,
    }
    const args = {
      batch: toInputs(batch) as unknown as Batch<Tensor>,
      spreading: spreadingOf(layout, 'own') as unknown as Spreading<Tensor>,
      encoderSpreading:
        encoderLayout && (spreadingOf(encoderLayout, 'encoder') as unknown as Spreading<Tensor>),
      wanted,
    }
    const sizes = {
      [longest.tokens]: layout.columns,
      ...(encoderLayout === undefined ? {} : { [longest.encoderTokens]: encoderLayout.columns }),
    }
    const results = await this.#compiled(args as never, { signal: options.signal, sizes })
    return present(results as unknown as RunResults<HostTensor>, packed)
  }

  dispose(): void {
    this.#compiled.dispose()
  }
}

/** A batch as arguments of a compiled call. */
export const toInputs = (batch: Batch<HostArray>): Batch<Input> =>
  mapBatch(batch, ({ dtype, dims, data }) => input(dtype, dims, data))

function flagOf(
  options: RunOptions,
  name: 'outputHiddenStates' | 'outputAttentions' | 'outputRouterLogits',
): boolean | undefined {
  const flag: unknown = options[name] ?? undefined
  if (flag === undefined || typeof flag === 'boolean') return flag
  throw new OptionError(`${name} is true or false, not ${JSON.stringify(flag)}`, { option: name })
}

function logitsOf(option: RunOptions['outputLogits']): Wanted['logits'] {
  if (option === undefined || option === true || option === 'all') return 'all'
  if (option === false) return 'none'
  if (option === 'last') return 'last'
  throw new OptionError(`outputLogits is 'all', 'last' or false, not ${JSON.stringify(option)}`, {
    option: 'outputLogits',
  })
}

function outputsOf(network: Network, task: Task, args: RunArguments): RunResults<Tensor> {
  const { batch, spreading, encoderSpreading, wanted } = args
  const { backbone, head } = network
  const result = runBackbone(backbone, batch, wanted)
  const own = (x: Tensor) => spread(x, spreading, batch.offsets, longest.tokens)
  const theirs = (x: Tensor) => spread(x, encoderSpreading!, batch.encoder!.offsets, longest.encoderTokens)
  const pair = 'encoder' in backbone
  const results: RunResults<Tensor> = {
    tokens: {},
    flatTokens: {},
    numbers: {},
    encoderTokens: {},
    sequences: {},
    examples: {},
    last: {},
    weights: {},
  }

  if (wanted.loss) {
    const { lossSum, count } = headLoss(head!, result, batch, { problemType: wanted.problemType })
    results.loss = lossSum.div(count)
  }
  if (head === undefined) {
    results.tokens['lastHiddenState'] = own(result.hidden)
    const pooled = pair ? undefined : backbone.pool?.(result.hidden, batch)
    if (pooled !== undefined) results.sequences['poolerOutput'] = pooled
  } else if (wanted.logits !== 'none') {
    const rows = wanted.logits === 'last' ? batch.lastRows : undefined
    for (const { name, per, value } of head.outputs(result.hidden, batch, rows)) {
      if (rows !== undefined) requireTokenLogits(name, per, task)
      if (rows !== undefined) results.last[name] = value
      else if (per === 'sequence') results.sequences[name] = value
      else if (per === 'example') results.examples[name] = value
      else if (per === 'tokenNumber') results.numbers[name] = own(value)
      else results.tokens[name] = own(value)
    }
  }

  const { hiddenStates, encoderHidden, encoderHiddenStates, attentions, encoderAttentions, crossAttentions } =
    result
  const { routerLogits, auxiliaryLoss } = result
  if (routerLogits) results.flatTokens['routerLogits'] = routerLogits.map(own)
  else if (wanted.routerLogits === true) {
    throw new OptionError('outputRouterLogits: this model has no routers', { option: 'outputRouterLogits' })
  }
  if (auxiliaryLoss && head !== undefined) results.auxLoss = auxiliaryLoss.value
  if (hiddenStates) results.tokens[pair ? 'decoderHiddenStates' : 'hiddenStates'] = hiddenStates.map(own)
  if (encoderHidden) results.encoderTokens['encoderLastHiddenState'] = theirs(encoderHidden)
  if (encoderHiddenStates) results.encoderTokens['encoderHiddenStates'] = encoderHiddenStates.map(theirs)
  if (attentions) results.weights[pair ? 'decoderAttentions' : 'attentions'] = [...attentions]
  if (encoderAttentions) results.weights['encoderAttentions'] = [...encoderAttentions]
  if (crossAttentions) results.weights['crossAttentions'] = [...crossAttentions]
  return results
}

function requireTokenLogits(name: string, per: HeadOutput['per'], task: Task): void {
  if (name === 'logits' && per === 'token') return
  throw new OptionError(`outputLogits: 'last' is for models with logits of every token, not for ${task}`, {
    option: 'outputLogits',
  })
}

function present(
  results: RunResults<HostTensor>,
  { batch, layout, encoderLayout, choices }: Packed,
): ModelOutput {
  const own = new Presenter(layout, batch)
  const theirs = encoderLayout && new Presenter(encoderLayout, batch.encoder!)
  const output: Record<string, unknown> = {}
  if (results.loss !== undefined) output['loss'] = results.loss.data[0]
  if (results.auxLoss !== undefined) output['auxLoss'] = results.auxLoss.data[0]
  const put = <T>(values: Record<string, T | T[]>, present: (value: T, name: string) => unknown): void => {
    for (const [name, value] of Object.entries(values)) {
      output[name] = Array.isArray(value)
        ? value.map((item: T) => present(item, name))
        : present(value as T, name)
    }
  }
  put(results.tokens, (value) => own.tokens(value))
  put(results.flatTokens, (value) => own.flatTokens(value))
  put(results.numbers, (value) => own.tokens(value, true))
  put(results.encoderTokens, (value) => theirs!.tokens(value))
  put(results.sequences, (value) => own.sequences(value))
  put(results.examples, (value) => own.examples(value, choices!))
  put(results.last, (value) => own.sequences(value, 1, value.shape.at(-1)!))
  put(results.weights, (value, name) => {
    const queries = name.startsWith('encoder') ? theirs! : own
    return queries.weights(value, name === 'crossAttentions' ? theirs! : queries)
  })
  return output as ModelOutput
}
