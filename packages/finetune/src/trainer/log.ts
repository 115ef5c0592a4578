import type { EvaluationResult, LogEntry, TrainResult } from './history.js'
import type { Progress } from './progress.js'

export interface LogSettings {
  readonly loggingSteps: number
  readonly onLog?: ((entry: LogEntry) => void) | undefined
}

/** One update that was made. */
export interface Made {
  readonly step: number
  readonly epoch: number
  readonly loss: number
  readonly gradNorm: number
  readonly learningRate: number
  readonly tokens: number
}

/** Keeps a run's history, tells it to `onLog` and to what shows progress, and measures speed without evaluations. */
export class Log {
  readonly #settings: LogSettings
  readonly #progress: Progress
  readonly #history: LogEntry[] = []
  readonly #started = performance.now()
  #pausedAt: number | undefined
  /** Milliseconds that were not spent on training: data, evaluations. */
  #paused = 0
  #loss = 0
  #steps = 0
  #tokens = 0
  #since = { loss: 0, steps: 0, tokens: 0, time: 0 }
  #metrics: EvaluationResult | undefined

  constructor(settings: LogSettings, progress: Progress) {
    this.#settings = settings
    this.#progress = progress
  }

  /** Time until `resume` does not count. */
  pause(): void {
    this.#pausedAt ??= performance.now()
  }

  resume(): void {
    if (this.#pausedAt !== undefined) this.#paused += performance.now() - this.#pausedAt
    this.#pausedAt = undefined
  }

  /** @param last the run's last update, which is always logged. */
  step({ tokens, ...made }: Made, last: boolean): void {
    const { step, loss } = made
    this.#loss += loss
    this.#steps++
    this.#tokens += tokens
    const since = this.#since
    since.loss += loss
    since.steps++
    since.tokens += tokens
    const mean = since.loss / since.steps
    this.#progress.update({ step, loss: mean, tokensPerSecond: this.#speed() })
    if (step % this.#settings.loggingSteps !== 0 && !last) return
    const time = this.#trained()
    this.#add({ ...made, loss: mean, tokensPerSecond: since.tokens / Math.max(1e-9, time - since.time) })
    this.#since = { loss: 0, steps: 0, tokens: 0, time }
  }

  evaluation(step: number, epoch: number, metrics: EvaluationResult): void {
    this.#metrics = metrics
    this.#add({ step, epoch, eval: metrics })
  }

  result(): TrainResult {
    return {
      steps: this.#steps,
      loss: this.#loss / this.#steps,
      history: this.#history,
      metrics: this.#metrics,
      seconds: (performance.now() - this.#started) / 1000,
      tokensPerSecond: this.#speed(),
    }
  }

  #add(entry: LogEntry): void {
    this.#history.push(entry)
    this.#settings.onLog?.(entry)
  }

  /** Seconds spent on training so far. */
  #trained(): number {
    return ((this.#pausedAt ?? performance.now()) - this.#started - this.#paused) / 1000
  }

  #speed(): number {
    return this.#tokens / Math.max(1e-9, this.#trained())
  }
}
