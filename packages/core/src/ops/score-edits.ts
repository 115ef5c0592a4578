import { applyOne } from '../apply.js'
import type { Tensor } from '../tensor.js'

/** What an edit does to a score s, with its number v. */
export const scoreEdit = {
  /** s + v */
  add: 0,
  /** s v below zero, s / v from there on: a penalty above 1 makes any score smaller (Keskar et al. 2019). */
  penalise: 1,
  /** v */
  set: 2,
  /** s + |s| v */
  stretch: 3,
  /** NaN becomes v, infinities the largest numbers of their sign. */
  clean: 4,
} as const

/** In place of a column: every one of the row. */
export const everyColumn = -1

export interface ScoreEdits {
  /** int32 [rows + 1]: where each row's edits begin, and the end. */
  readonly offsets: Tensor
  /** int32 [edits, 2]: what each does (`scoreEdit`), and to which column. */
  readonly edits: Tensor
  /** [edits]: their numbers. */
  readonly values: Tensor
}

/**
 * Scores [rows, n] with the edits of each row applied in order. Not differentiable; running rejects with IndexError
 * for a column that there is not.
 */
export const editScores = (scores: Tensor, { offsets, edits, values }: ScoreEdits): Tensor =>
  applyOne('editScores', [scores, offsets, edits, values])
