import type { LogEntry } from '@tiny/finetune'

/** How a story speaks: everything it says appears on the terminal at once and in the report at the end. */
export interface StoryIo {
  /** Aborts when the user presses Ctrl-C; to be handed to everything that takes a signal. */
  readonly signal: AbortSignal
  /** Begins a section; a story says nothing before its first one. */
  section(heading: string): void
  /** A paragraph of plain language; the terminal breaks its lines. */
  say(text: string): void
  table(table: Table): void
  /** Shown in the report; the terminal has the Trainer's progress bar in its place. */
  chart(chart: Chart): void
  /** Shown in the report. */
  attention(attention: Attention): void
  /** What a model writes, piece by piece as it comes. Gives the whole text. */
  quote(caption: string, pieces: string | AsyncIterable<string>): Promise<string>
}

/** Numbers come as text, rounded by who knows what they mean. Columns after the first are set to the right. */
export interface Table {
  readonly caption: string
  readonly columns: readonly string[]
  readonly rows: readonly (readonly string[])[]
  /** Index of the row that the story is about. */
  readonly highlight?: number
}

export interface Chart {
  readonly caption: string
  readonly x: string
  readonly y: string
  readonly series: readonly Series[]
  /** Values of y to compare with, as horizontal lines. */
  readonly levels?: readonly { readonly name: string; readonly y: number }[]
}

export interface Series {
  readonly name: string
  readonly points: readonly (readonly [x: number, y: number])[]
}

/** Where each token of a sentence looks: for each head a row-major [tokens, tokens] whose rows sum to 1. */
export interface Attention {
  readonly caption: string
  readonly tokens: readonly string[]
  readonly heads: readonly { readonly name: string; readonly weights: ArrayLike<number> }[]
  /** What the columns are where they are not the same tokens: an encoder–decoder's source. */
  readonly keys?: readonly string[]
}

/** What was told, in order: what the report is made of. */
export interface Section {
  readonly heading: string
  readonly blocks: readonly Block[]
}

export type Block =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'table'; readonly table: Table }
  | { readonly kind: 'chart'; readonly chart: Chart }
  | { readonly kind: 'attention'; readonly attention: Attention }
  | { readonly kind: 'quote'; readonly caption: string; readonly text: string }

/** What must be true at the end; a claim that does not hold makes the whole run fail. */
export interface Claim {
  readonly text: string
  readonly holds: boolean
}

export interface StoryResult {
  readonly title: string
  readonly claims: readonly Claim[]
}

/** A story with everything that was said in it. */
export interface ToldStory extends StoryResult {
  readonly sections: readonly Section[]
  readonly seconds: number
}

/** @throws the signal's reason when aborted. */
export type Story = (io: StoryIo) => Promise<StoryResult>

/** The curve of a run: mean training loss by update. */
export function trainingCurve(name: string, history: readonly LogEntry[]): Series {
  return { name, points: history.flatMap(({ step, loss }) => (loss === undefined ? [] : [[step, loss]])) }
}

/** The curve of its evaluations: by default the loss, or a metric by its name. */
export function evaluationCurve(name: string, history: readonly LogEntry[], metric = 'loss'): Series {
  return {
    name,
    points: history.flatMap(({ step, eval: metrics }) => {
      const value = metrics?.[metric]
      return value === undefined ? [] : [[step, value]]
    }),
  }
}

/** The mean of curves with the same steps, point by point. */
export function meanCurve(name: string, curves: readonly Series[]): Series {
  const [first] = curves
  if (first === undefined) return { name, points: [] }
  const points = first.points.map(([step], i) => {
    const sum = curves.reduce((total, { points: own }) => total + own[i]![1], 0)
    return [step, sum / curves.length] as const
  })
  return { name, points }
}

/** "0.912 ± 0.008" */
export function plusMinus({ mean, deviation }: { mean: number; deviation: number }, digits = 3): string {
  return `${mean.toFixed(digits)} ± ${deviation.toFixed(digits)}`
}
