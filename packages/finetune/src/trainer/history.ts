import type { Metrics } from '../metrics/metric.js'

/** An entry of the log: of training (`loss`), of an evaluation (`eval`). */
export interface LogEntry {
  /** Updates so far. */
  readonly step: number
  /** Passes over the data so far, with fractions. */
  readonly epoch: number
  /** Mean over the updates since the last entry. */
  readonly loss?: number | undefined
  /** Of the last update, before clipping. */
  readonly gradNorm?: number | undefined
  readonly learningRate?: number | undefined
  readonly tokensPerSecond?: number | undefined
  /** Loss and metrics of an evaluation. */
  readonly eval?: EvaluationResult | undefined
}

/** `loss` is the mean over everything that counts in the whole data set; metrics stand under their own names. */
export type EvaluationResult = Metrics & { readonly loss: number }

export interface TrainResult {
  /** Updates made. */
  readonly steps: number
  /** Mean over all updates. */
  readonly loss: number
  readonly history: readonly LogEntry[]
  /** Of the last evaluation; undefined without `eval`. */
  readonly metrics: EvaluationResult | undefined
  /** Of the whole run, evaluations included. */
  readonly seconds: number
  /** Tokens trained on in a second, those of encoder and decoder together; evaluations do not count. */
  readonly tokensPerSecond: number
}
