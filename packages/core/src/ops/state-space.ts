import { applyOne } from '../apply.js'
import type { Tensor } from '../tensor.js'

/**
 * What a recurrence goes on from: rows of a cache variable [slots, width]. Sequence s starts from row `readSlots[s]`,
 * from zeros where that is -1, and leaves what it has come to in row `writeSlots[s]`, through the variable's memory
 * without a new version. A call that fails leaves the row that was read intact. No gradients flow.
 */
export interface RecurrentState {
  cache: Tensor
  readSlots: Tensor // int32 [sequences]
  writeSlots: Tensor // int32 [sequences]
}

export interface CausalConvOptions {
  bias?: Tensor | null | undefined // [width]
  /** int32 [sequences + 1]: where each sequence begins, and the end. */
  offsets: Tensor
  activation?: 'none' | 'silu'
  /** Of (taps - 1) * width elements: the last inputs. */
  state?: RecurrentState | undefined
}

/**
 * Each channel of x [tokens, width] convolved with its own taps, weight [width, taps] or [width, 1, taps], over a
 * token and those before it in its sequence.
 *
 * @throws ShapeError naming the shapes; running rejects with IndexError for offsets or slots out of range.
 */
export function causalConv(x: Tensor, weight: Tensor, options: CausalConvOptions): Tensor {
  const { bias, offsets, state, activation } = options
  return applyOne(
    'causalConv',
    [x, weight, bias, offsets, state?.cache, state?.readSlots, state?.writeSlots],
    { activation },
  )
}

export interface StateScanInputs {
  x: Tensor // [tokens, heads * width]
  dt: Tensor // [tokens, heads]
  a: Tensor // [heads]
  b: Tensor // [tokens, groups * state]
  c: Tensor // [tokens, groups * state]
  /** int32 [sequences + 1]: where each sequence begins, and the end. */
  offsets: Tensor
  d?: Tensor | null | undefined // [heads]
  dtBias?: Tensor | null | undefined // [heads]
}

export interface StateScanOptions {
  heads: number
  /** Of heads with one b and c each; 1 unless given. */
  groups?: number
  /** What steps are clamped to; from 0 to infinity unless given. */
  dtMin?: number
  dtMax?: number
  /** Of heads * state * width elements. */
  state?: RecurrentState | undefined
}

/**
 * The linear recurrence of Mamba-2 (Dao and Gu 2024) over each sequence: with steps dt' = clamp(softplus(dt + dtBias)),
 * h_t = exp(dt' a) h_{t-1} + dt' x_t ⊗ b_t and y_t = c_t h_t + d x_t, [tokens, heads * width]. Its memory grows with
 * tokens alone: gradients compute states again from those between blocks of tokens.
 *
 * @throws ShapeError naming the shapes; running rejects with IndexError for offsets or slots out of range.
 */
export function stateScan(inputs: StateScanInputs, options: StateScanOptions): Tensor {
  const { x, dt, a, b, c, offsets, d, dtBias } = inputs
  const { state, ...attributes } = options
  return applyOne(
    'stateScan',
    [x, dt, a, b, c, offsets, d, dtBias, state?.cache, state?.readSlots, state?.writeSlots],
    attributes,
  )
}
