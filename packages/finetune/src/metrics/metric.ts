import { OptionError, UnsupportedError } from '@tiny/core'
import type { Row } from '../data/rows.js'
import { describe } from '../options.js'

/** What a metric is computed from: everything that was evaluated, in the order of the data. */
export interface Predictions {
  /**
   * By row: the most probable class, or the logits themselves of a regression or of several labels; of models that
   * label tokens and of language models, the most probable ids where there is a label.
   */
  readonly predictions: readonly (number | readonly number[])[]
  /** By row, in the same form: what is right. */
  readonly labels: readonly (number | readonly number[])[]
  /** By row: a classifier's logits. Models that label tokens have none here. */
  readonly logits?: readonly Float32Array[] | undefined
  readonly rows: readonly Row[]
}

export type Metrics = Readonly<Record<string, number>>

/** 'accuracy', or a function whose results are logged under its own names. */
export type Metric = 'accuracy' | ((predictions: Predictions) => Metrics | Promise<Metrics>)

/** @throws UnsupportedError for the name of another metric. */
export function requireMetric(metric: unknown): void {
  if (metric === undefined || metric === 'accuracy' || typeof metric === 'function') return
  if (typeof metric === 'string') {
    throw new UnsupportedError(
      `Trainer has no metric '${metric}' yet; there is 'accuracy', and metric takes a function`,
      {
        option: 'metric',
        value: metric,
      },
    )
  }
  throw new OptionError(`Trainer: metric must be 'accuracy' or a function, not ${describe(metric)}`, {
    option: 'metric',
  })
}

export async function computeMetric(metric: Metric, predictions: Predictions): Promise<Metrics> {
  return typeof metric === 'function' ? metric(predictions) : { accuracy: accuracy(predictions) }
}

/** Share of the labels that were predicted; every labelled token counts once. */
export function accuracy({ predictions, labels }: Pick<Predictions, 'predictions' | 'labels'>): number {
  const wanted = labels.flat()
  const got = predictions.flat()
  return wanted.filter((label, i) => label === got[i]).length / wanted.length
}
