import { compile, UnsupportedError, type CompiledFunction, type Tensor } from '@tiny/core'
import { cut } from '../data/batches.js'
import { RandomStream } from '../data/random.js'
import type { Row } from '../data/rows.js'
import { computeMetric, type Metric, type Predictions } from '../metrics/metric.js'
import { modelLoss, packBatch, type ModelInputs, type TrainableModel } from '../model-loss.js'
import type { LossSum } from '../optim/backward.js'
import type { Objective } from '../objectives/objective.js'
import type { EvaluationResult } from './history.js'

export interface EvaluationSettings {
  readonly batchSize?: number | undefined
  readonly maxTokens?: number | undefined
  readonly metric?: Metric | undefined
  readonly seed: number
  readonly signal?: AbortSignal | undefined
}

/** Place in `RandomStream` of what evaluations draw: the same masks every time. */
const evaluationPlace = 3
const ignored = -100

const lossOf = new WeakMap<
  TrainableModel,
  CompiledFunction<{ batch: object }, { lossSum: Tensor; count: Tensor }>
>()

/**
 * Loss and metric over all rows, without dropout. The loss is the mean over all labels (tokens, or rows of a
 * classifier), however they fall into batches. Without a metric a language model's logits are never formed.
 */
export async function evaluateRows(
  model: TrainableModel,
  objective: Objective,
  rows: readonly Row[],
  settings: EvaluationSettings,
): Promise<EvaluationResult> {
  const { metric, seed, signal } = settings
  const batches = cut(
    rows.map((_, i) => i),
    rows.map((row) => row.length),
    settings,
  )
  const { training } = model
  model.eval()
  try {
    let lossSum = 0
    let count = 0
    const collected: Collected = { predictions: [], labels: [], logits: [] }
    for (const batch of batches) {
      const random = (i: number): RandomStream => new RandomStream(seed, evaluationPlace, batch[i]!)
      const inputs = objective.collate(
        batch.map((row) => rows[row]!),
        random,
      )
      if (metric === undefined) {
        const sums = await lossSums(model, inputs, signal)
        lossSum += sums.lossSum
        count += sums.count
        continue
      }
      const outputs = await model.run(inputs, signal === undefined ? {} : { signal })
      const counted = collect(model.task, outputs as Outputs, inputs, collected)
      lossSum += outputs.loss! * counted
      count += counted
    }
    const loss = lossSum / Math.max(1, count)
    if (metric === undefined) return { loss }
    const predictions: Predictions = {
      predictions: collected.predictions,
      labels: collected.labels,
      ...(collected.logits.length > 0 && { logits: collected.logits }),
      rows,
    }
    return { ...(await computeMetric(metric, predictions)), loss }
  } finally {
    model.train(training)
  }
}

async function lossSums(model: TrainableModel, inputs: ModelInputs, signal: AbortSignal | undefined) {
  let compiled = lossOf.get(model)
  if (compiled === undefined) {
    compiled = compile(({ batch }: { batch: object }): LossSum => modelLoss(model, batch), {
      name: 'evaluate',
    })
    lossOf.set(model, compiled)
    model.onDispose(() => compiled!.dispose())
  }
  const sums = await model.track(compiled({ batch: packBatch(model, inputs) as object }, { signal }))
  return { lossSum: sums.lossSum.data[0]!, count: sums.count.data[0]! }
}

interface Collected {
  predictions: (number | readonly number[])[]
  labels: (number | readonly number[])[]
  logits: Float32Array[]
}

interface Outputs {
  logits?: { shape: number[]; data: Float32Array }
}

/** Adds a batch's predictions and says how many labels its mean loss is over. */
function collect(task: string, { logits }: Outputs, inputs: ModelInputs, into: Collected): number {
  if (logits === undefined) {
    throw new UnsupportedError(
      `a metric of models for ${task} is not there yet; the loss is evaluated without one`,
      {
        option: 'metric',
      },
    )
  }
  const labels = inputs.labels as readonly (number | ArrayLike<number>)[]
  const width = logits.shape.at(-1)!
  if (task === 'SequenceClassification') {
    labels.forEach((label, row) => {
      const scores = logits.data.slice(row * width, (row + 1) * width)
      into.logits.push(scores)
      into.labels.push(typeof label === 'number' ? label : Array.from(label))
      const isClass = typeof label === 'number' && width > 1
      into.predictions.push(
        isClass ? argmax(scores, 0, width) : width === 1 ? scores[0]! : Array.from(scores),
      )
    })
    return labels.length
  }
  const columns = logits.shape[1]!
  const shift = task === 'CausalLM' ? 1 : 0
  let counted = 0
  ;(labels as readonly ArrayLike<number>[]).forEach((line, row) => {
    const predicted: number[] = []
    const wanted: number[] = []
    for (let column = shift; column < line.length; column++) {
      if (line[column] === ignored) continue
      wanted.push(line[column]!)
      predicted.push(argmax(logits.data, (row * columns + column - shift) * width, width))
    }
    into.predictions.push(predicted)
    into.labels.push(wanted)
    counted += wanted.length
  })
  return counted
}

function argmax(data: Float32Array, start: number, length: number): number {
  let best = start
  for (let i = start + 1; i < start + length; i++) if (data[i]! > data[best]!) best = i
  return best - start
}
